"""What the kept points of a trial say: how low it came, how it drifts off the constraint, how far it strays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESOLUTION = 2.0**-52
"""Judged metrics below this are roundings of float64, in which everything is judged."""

LEAST_POINTS = 3
"""Points below which a line through them says nothing."""


def best(metric: Array, *, mode: str) -> float:
    """Return the best of the judged metrics [k]; NaN: none is finite."""
    finite = metric[np.isfinite(metric)]
    if not len(finite):
        return math.nan
    return float(finite.max()) if mode == "max" else max(float(finite.min()), RESOLUTION)


def times_worse(a: float, b: float, *, mode: str) -> float:
    """Return how many times worse the metric a is than b; above 1: worse."""
    above, below = (b, a) if mode == "max" else (a, b)
    return above / below if below > 0.0 else math.nan


def drift(step: Array, residual: Array) -> float:
    """Return the slope of log10 residual against log10 step by least squares; NaN: fewer than LEAST_POINTS points.

    1: the violation grows with every step by the same amount; 1/2: it walks at random; 0: it is kept.

    Args:
        step: Steps of the kept points [k]; the start is left out.
        residual: Constraint violation there [k]; what is zero or not finite is left out.
    """
    told = (step > 0.0) & np.isfinite(residual) & (residual > 0.0)
    if told.sum() < LEAST_POINTS:
        return math.nan
    x, y = np.log10(step[told]), np.log10(residual[told])
    x -= x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def deviation(a: tuple[Array, Array], b: tuple[Array, Array], *, until: float) -> float:
    """Return the median of |log10 metric a - log10 metric b| over the steps that both have; NaN: there are none.

    Args:
        a: Steps and metrics of one trial, [k] each.
        b: The same of another, [m] each.
        until: The last step that counts; the common start does not.
    """
    shared, at_a, at_b = np.intersect1d(a[0], b[0], return_indices=True)
    ours, theirs = a[1][at_a], b[1][at_b]
    told = (shared > 0.0) & (shared <= until) & np.isfinite(ours) & np.isfinite(theirs)
    if not told.any():
        return math.nan
    logs = [np.log10(np.maximum(metric[told], RESOLUTION)) for metric in (ours, theirs)]
    return float(np.median(np.abs(logs[0] - logs[1])))
