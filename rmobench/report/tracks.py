"""What is tracked from commit to commit: a few numbers per trial, the lower the better, never infinite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One tracked number."""

    unit: str
    over_seeds: Literal["median", "mean"] = "median"


TRACKS: Mapping[str, Track] = {
    "steps": Track(unit="iterations"),
    "calls": Track(unit="calls"),
    "failure_rate": Track(unit="share of seeds", over_seeds="mean"),
    "final_gap": Track(unit="relative gap"),
    "state_bytes": Track(unit="bytes"),
    "seconds_per_step": Track(unit="seconds"),
}

CELL = ("task", "optimizer", "precision", "budget")
"""What is measured once per seed."""


def benchmark_name(task: str) -> str:
    """Write a task's label as the name of a class: quadratic[cond=100.0,dim=20] is quadratic_cond_100p0_dim_20."""
    return re.sub(r"\W+", "_", task.replace(".", "p").replace("-", "m")).strip("_")


def samples(runs: pd.DataFrame) -> pd.DataFrame:
    """Compute the tracked numbers of each trial.

    steps             iterations to the headline rung; a trial that misses it counts twice its budget
    calls             oracle calls to the headline rung; a trial that misses it counts twice its budget
    failure_rate      1 if it misses the headline rung, else 0
    final_gap         relative gap at the end, at least the hardest rung, below which nothing is measured; 1, the gap
                      of the start, where it is not finite; NaN for tasks with another metric
    state_bytes       what the optimizer keeps between steps
    seconds_per_step  timed seconds / iterations

    Args:
        runs: One row per record.

    Returns:
        One row per record, sorted: the columns of CELL, seed, id and those of TRACKS.
    """
    import numpy as np
    import pandas as pd

    from rmobench.statistics.hits import at_rung, costs, in_order, seconds_per

    runs = in_order(runs)
    headline, steps = (at_rung(costs(runs, axis=axis), None) for axis in ("n_grad", "step"))
    hardest = np.array([min(rungs) for rungs in runs["rungs"]])
    gap = pd.to_numeric(runs["final"]).fillna(1.0).clip(lower=hardest)
    table = runs[["task", "optimizer", "precision"]].astype(str)
    return table.assign(
        budget=runs["budget_calls"],
        seed=runs["seed"],
        id=runs["id"],
        steps=np.where(steps["hit"], steps["cost"], 2.0 * steps["charge"]),
        calls=np.where(headline["hit"], headline["cost"], 2.0 * headline["charge"]),
        failure_rate=np.where(headline["hit"], 0.0, 1.0),
        final_gap=gap.where(runs["metric"] == "gap"),
        state_bytes=pd.to_numeric(runs["state_bytes"]).astype(float),
        seconds_per_step=seconds_per(runs, "step"),
    )


def values(runs: pd.DataFrame) -> dict[tuple[str, str, str, int, str], float]:
    """Reduce the tracked numbers over the seeds: (task, optimizer, precision, budget, track) -> value, NaN: unknown."""
    cells = samples(runs).groupby(list(CELL), as_index=False)
    reduced = cells.agg({name: track.over_seeds for name, track in TRACKS.items()})
    return {
        (row["task"], row["optimizer"], row["precision"], int(row["budget"]), name): float(row[name])
        for row in reduced.to_dict("records")
        for name in TRACKS
    }
