"""How a trial failed, and at which step: one kind per trial, the hardest first.

What ends a trial early is a failure whatever was reached before; the softer kinds ask whether the rung was reached.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np

from rmobench.types import Status

BLOWN_UP = 10.0
"""Growth of the target's metric over its start that counts as divergence."""

STILL = 0.5
"""A trial whose judged metric is the same, to the bit, for the rest of it from this share of its steps stagnated."""


class Failure(StrEnum):
    """Why a trial is no success, the hardest first."""

    unsupported = "unsupported"  # an operation does not exist at this precision
    exception = "exception"  # raised, out of memory, or its process died
    nonfinite = "nonfinite"  # the objective is NaN or infinite
    diverged = "diverged"  # missed the rung, and was ten times worse than at the start
    infeasible = "infeasible"  # missed the rung, and the last point violates the constraint
    stagnated = "stagnated"  # missed the rung, and stood still, or ended by itself
    missed = "missed"  # missed the rung, moving to the end


ENDED_BY = {
    Status.unsupported_dtype: Failure.unsupported,
    Status.failed: Failure.exception,
    Status.oom: Failure.exception,
    Status.killed: Failure.exception,
    Status.nonfinite: Failure.nonfinite,
    Status.diverged: Failure.diverged,
}
"""Statuses that are failures by themselves."""


def failure(trial: Mapping[Hashable, Any], *, hit: bool) -> tuple[Failure | None, float]:
    """Name a trial's failure and the first step that shows it.

    Args:
        trial: A record with its trace: status, mode, step, trace_step and trace_metric [k].
        hit: Whether it reached the rung.

    Returns:
        None and NaN for a success; NaN where the step is unknown, or where no step is at fault.
    """
    step, metric = (np.asarray(trial[f"trace_{name}"], float) for name in ("step", "metric"))
    status, end = Status(trial["status"]), float(trial["step"])
    if status in ENDED_BY:
        return ENDED_BY[status], _blown_up(trial["mode"], step, metric, end) if status is Status.diverged else end
    if hit:
        return None, math.nan
    if not math.isnan(blown := _blown_up(trial["mode"], step, metric, math.nan)):
        return Failure.diverged, blown
    if status is Status.infeasible:
        return Failure.infeasible, end
    if status is Status.stopped:
        return Failure.stagnated, end
    if len(metric) > 1 and (still := _still_from(step, metric)) <= STILL * step[-1]:
        return Failure.stagnated, still
    return Failure.missed, math.nan


def _blown_up(mode: str, step: np.ndarray, metric: np.ndarray, otherwise: float) -> float:
    """Return the first kept step at which the metric, if less is better, exceeds BLOWN_UP times its start."""
    if mode != "min" or not len(metric) or not metric[0] > 0.0:
        return otherwise
    beyond = np.flatnonzero(metric > BLOWN_UP * metric[0])
    return float(step[beyond[0]]) if len(beyond) else otherwise


def _still_from(step: np.ndarray, metric: np.ndarray) -> float:
    """Return the kept step from which the metric does not change any more; NaN counts as a change."""
    changed = np.flatnonzero(metric[1:] != metric[:-1])
    return float(step[changed[-1] + 1]) if len(changed) else float(step[0])
