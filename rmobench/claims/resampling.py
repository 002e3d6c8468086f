"""95 % intervals of a mean over few units (cells, functions, seeds): the percentile bootstrap, and Student's t.

Source: Efron 1979, Annals of Statistics 7(1); Student 1908, Biometrika 6(1).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rmobench.types import Interval

Array = NDArray[np.float64]

N_RESAMPLES = 10_000
SEED = 20230618
TAIL = 0.025
"""Probability beyond either end of an interval."""
LEAST = 5
"""Units below which a bootstrap says nothing: four that happen to agree would give an interval of no width."""


def bootstrap_mean(values: Array, *, least: int = LEAST) -> Interval:
    """Return the mean of values [n] with its interval over resampled units.

    The ends are order statistics, rounded outwards, and enclose the mean. Of fewer than `least` units the interval is
    the whole line; of none the mean is NaN.
    """
    if len(values) < least:
        return _open(values)
    generator = np.random.default_rng(SEED)
    means = np.sort(values[generator.integers(len(values), size=(N_RESAMPLES, len(values)))].mean(1))
    low, high = means[math.floor(TAIL * (N_RESAMPLES - 1))], means[math.ceil((1.0 - TAIL) * (N_RESAMPLES - 1))]
    mean = float(values.mean())
    return Interval(value=mean, low=min(float(low), mean), high=max(float(high), mean))


def student_mean(values: Array) -> Interval:
    """Return the mean of values [n] with Student's interval; of one value the interval is the whole line."""
    if len(values) < 2:
        return _open(values)
    mean = float(values.mean())
    half = float(stats.t.ppf(1.0 - TAIL, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return Interval(value=mean, low=mean - half, high=mean + half)


def through(function: Callable[[float], float], interval: Interval) -> Interval:
    """Map an interval through an increasing function, such as exp from logarithms to ratios."""
    return Interval(value=function(interval.value), low=function(interval.low), high=function(interval.high))


def within(interval: Interval, low: float, high: float) -> Interval:
    """Cut the ends to where the truth can lie at all; of nothing they stay NaN."""
    if math.isnan(interval.value):
        return interval
    return Interval(value=interval.value, low=max(low, interval.low), high=min(high, interval.high))


def _open(values: Array) -> Interval:
    if not len(values):
        return Interval(value=math.nan, low=math.nan, high=math.nan)
    return Interval(value=float(values.mean()), low=-math.inf, high=math.inf)
