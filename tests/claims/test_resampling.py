"""Intervals of a mean over few units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rmobench.claims.cells import share_won
from rmobench.claims.resampling import LEAST, bootstrap_mean, student_mean, through, within
from rmobench.types import Interval

COVERAGE_MIN = 0.90
"""Of 400 intervals of 30 normal values: the bootstrap's is 0.94 there, with a deviation of 0.012."""


def test_the_bootstrap_covers_the_truth():
    draws = np.random.default_rng(3).normal(1.0, 2.0, size=(400, 30))
    found = [bootstrap_mean(values) for values in draws]
    assert np.mean([x.low <= 1.0 <= x.high for x in found]) > COVERAGE_MIN
    width = np.mean([x.high - x.low for x in found])
    assert width == pytest.approx(2 * 1.96 * 2.0 / 30**0.5, rel=0.05)  # of the normal mean; the bootstrap's is 2 % less


def test_equal_values_give_equal_intervals_and_enclose_the_mean():
    values = np.random.default_rng(0).normal(size=9)
    assert bootstrap_mean(values) == bootstrap_mean(values.copy())
    assert bootstrap_mean(values).low < values.mean() < bootstrap_mean(values).high


def test_students_interval_is_scipys():
    values = np.random.default_rng(1).normal(size=4)
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = student_mean(values)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)  # the same formula, other order of sums


@pytest.mark.parametrize(("interval", "n"), [(bootstrap_mean, LEAST - 1), (bootstrap_mean, 1), (student_mean, 1)])
def test_too_few_units_say_nothing(interval, n):
    assert interval(np.ones(n)) == Interval(value=1.0, low=-math.inf, high=math.inf)


@pytest.mark.parametrize("interval", [bootstrap_mean, student_mean])
def test_no_units_are_unknown(interval):
    found = within(through(math.exp, interval(np.array([]))), 0.0, 1.0)
    assert all(map(math.isnan, (found.value, found.low, found.high)))


def test_open_logarithms_are_open_ratios():
    assert through(math.exp, bootstrap_mean(np.zeros(1))) == Interval(value=1.0, low=0.0, high=math.inf)


def test_a_share_of_cells_that_are_all_lost_is_not_known_exactly():
    """Wilson's interval has a width where resamples of equal cells have none."""
    ones = np.ones(6)
    lost = share_won(2.0 * ones, ones)
    assert lost.value == lost.low == 0.0
    assert lost.high == pytest.approx(0.3903, abs=1e-4)
    assert share_won(ones, ones) == Interval(value=0.5, low=0.5, high=0.5)
    assert share_won(ones[:2], np.array([1.0, 2.0])).value == 0.75
    assert math.isnan(share_won(np.array([np.nan]), np.array([1.0])).value)
