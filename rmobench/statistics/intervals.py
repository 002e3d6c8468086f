"""95 % intervals: Wilson's for a rate, the percentile bootstrap for everything else.

The bootstrap is a product of matrices: a resample of n trials is a column of multinomial weights W [n, B], so a sum
over every resample of every group is `values [G, n] @ W`. Groups of the same n share W, drawn from a fixed seed: equal
records give equal intervals, and groups measured at the same seeds are resampled together.

Source: Wilson 1927, JASA 22(158); Efron 1979, Annals of Statistics 7(1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rmobench.types import Interval

Array = NDArray[np.float64]

N_RESAMPLES = 1000
SEED = 20240229
TAIL = 0.025
"""Probability beyond either end of an interval."""
Z = 1.959963984540054
"""Quantile of the standard normal distribution at 1 - TAIL."""
ROWS_AT_ONCE = 1024
"""Groups per block of the bootstrap: 8 MB of resamples."""


def wilson(n_hits: Array, n_trials: Array) -> tuple[Array, Array]:
    """Return the ends of Wilson's interval for success rates, each [...].

    Args:
        n_hits: Successes [...].
        n_trials: Trials [...], at least one.
    """
    rate, z2 = n_hits / n_trials, Z**2 / n_trials
    centre = (rate + z2 / 2.0) / (1.0 + z2)
    half = np.sqrt(rate * (1.0 - rate) * z2 + z2**2 / 4.0) / (1.0 + z2)
    low = np.where(n_hits == 0, 0.0, centre - half)
    return low, np.where(n_hits == n_trials, 1.0, centre + half)


def success_rate(n_hits: int, n_trials: int) -> Interval:
    """Return one success rate with Wilson's interval."""
    low, high = wilson(np.array(float(n_hits)), np.array(float(n_trials)))
    return Interval(value=n_hits / n_trials, low=float(low), high=float(high))


def rate_difference(n_hits: int, n_trials: int, other_hits: int, other_trials: int) -> Interval:
    """Return the difference of two independent success rates, the first minus the other, from their Wilson intervals.

    Source: Newcombe 1998, Statistics in Medicine 17(8), method 10.
    """
    p, q = success_rate(n_hits, n_trials), success_rate(other_hits, other_trials)
    value = p.value - q.value
    low = value - math.hypot(p.value - p.low, q.high - q.value)
    return Interval(value=value, low=low, high=value + math.hypot(p.high - p.value, q.value - q.low))


@cache
def weights(n: int) -> Array:
    """Draw how often each of n members appears in each resample: multinomial [n, N_RESAMPLES], read-only."""
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1.0 / n), size=N_RESAMPLES)
    table = np.ascontiguousarray(drawn.T, dtype=np.float64)
    table.flags.writeable = False
    return table


def percentiles(value: Array, resamples: Callable[[slice], Array]) -> tuple[Array, Array]:
    """Return the ends of the percentile intervals of G groups, each [G].

    The ends are order statistics, rounded outwards, so infinite resamples are allowed; they enclose the value.

    Args:
        value: The estimates [G].
        resamples: Gives the resampled estimates [g, N_RESAMPLES] of a slice of the groups.
    """
    below, above = math.floor(TAIL * (N_RESAMPLES - 1)), math.ceil((1.0 - TAIL) * (N_RESAMPLES - 1))
    low, high = np.empty_like(value), np.empty_like(value)
    for start in range(0, len(value), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        ordered = np.partition(resamples(part), (below, above), axis=1)
        low[part], high[part] = ordered[:, below], ordered[:, above]
    return np.minimum(low, value), np.maximum(high, value)


def mean_over_tasks(values: Array) -> Interval:
    """Return the mean of values in [0, 1], one per task [n], with its interval over resampled tasks.

    One task says nothing about others, so its interval is the whole of [0, 1].
    """
    mean = values.mean(keepdims=True)
    if len(values) == 1:
        return Interval(value=float(mean[0]), low=0.0, high=1.0)
    low, high = percentiles(mean, lambda part: values[None] @ weights(len(values)) / len(values))
    return Interval(value=float(mean[0]), low=float(low[0]), high=float(high[0]))
