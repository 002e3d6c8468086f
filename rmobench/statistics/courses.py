"""How the target's metric went along the trials of a cell: median and quartiles over the seeds, on a common grid.

A trial counts at a cost with the last judged point at or before it, and with its last point from its end on. What was
not finite is NaN, and a cost at which more than half of the trials are not finite has no median.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.errors import InputError
from rmobench.statistics.hits import PAIR, grouped, in_order

Array = NDArray[np.float64]

QUARTILES = (0.25, 0.5, 0.75)
LEAST = {"step": 1.0, "n_grad": 1.0, "time_s": 1e-4}
"""Where the grid begins."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """The metric along the trials of one optimizer on one task; NaN: not finite."""

    task: str
    optimizer: str
    precision: str
    metric: str
    n_trials: int
    cost: Array  # [k], ascending; the first is the start
    median: Array  # [k]
    low: Array  # [k], first quartile
    high: Array  # [k], third quartile


def courses(runs: pd.DataFrame, *, axis: str = "n_grad", points: int = 24) -> tuple[Course, ...]:
    """Return one course per precision, task and optimizer, in this order.

    Args:
        runs: One row per record, with traces.
        axis: What is counted, one of `types.AXES`.
        points: Of the logarithmic grid, which ends where the last of the trials does.

    Raises:
        InputError: There are no records, or no traces.
    """
    if missing := [name for name in (f"trace_{axis}", "trace_metric") if name not in runs]:
        raise InputError(f"got records without {', '.join(missing)}. Load them with trace=True.")
    columns = (f"trace_{axis}", "trace_metric", "metric", "mode")
    groups = grouped(in_order(runs), PAIR, columns)
    found = (_course(*key, group=group, axis=axis, points=points) for key, group in groups)
    return tuple(course for course in found if course is not None)


def _course(
    precision: str, task: str, optimizer: str, *, group: Mapping[str, NDArray[Any]], axis: str, points: int
) -> Course | None:
    """Join the trials of a cell; None where none was judged."""
    traces = [
        (np.asarray(cost, float), np.asarray(metric, float))
        for cost, metric in zip(group[f"trace_{axis}"], group["trace_metric"], strict=True)
        if len(cost)
    ]
    if not traces:
        return None
    end = max(LEAST[axis], *(cost[-1] for cost, _ in traces))
    grid = np.r_[0.0, np.unique(np.geomspace(LEAST[axis], end, points - 1))]
    if axis != "time_s":
        grid = np.unique(np.round(grid))
    held = np.stack([metric[np.searchsorted(cost, grid * (1.0 + 1e-12), side="right") - 1] for cost, metric in traces])
    low, median, high = _quartiles(held, worst=-np.inf if group["mode"][0] == "max" else np.inf)
    return Course(
        task=task,
        optimizer=optimizer,
        precision=precision,
        metric=str(group["metric"][0]),
        n_trials=len(traces),
        cost=grid,
        median=median,
        low=low,
        high=high,
    )


def _quartiles(values: Array, *, worst: float) -> Array:
    """Return the quartiles [3, k] of trials [n, k], as order statistics; what is not finite is the worst, NaN there."""
    ordered = np.sort(np.where(np.isfinite(values), values, worst), axis=0)
    found: Array = ordered[[int(np.ceil(q * len(ordered))) - 1 for q in QUARTILES]]
    return np.where(np.isfinite(found), found, np.nan)
