"""Wilson against scipy and print; the bootstrap against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rmobench.statistics.ert import ert, median
from rmobench.statistics.intervals import N_RESAMPLES, mean_over_tasks, rate_difference, success_rate, weights


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (81, 263), (999, 1000)])
def test_wilson_agrees_with_scipy(hits, trials):
    expected = stats.binomtest(hits, trials).proportion_ci(method="wilson")
    found = success_rate(hits, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.value == hits / trials


def test_wilson_agrees_with_newcombe():
    """Newcombe 1998, Statistics in Medicine 17(8), table I, method 3: 81/263."""
    found = success_rate(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_resamples_have_the_size_of_the_sample():
    drawn = weights(7)
    assert drawn.shape == (7, N_RESAMPLES)
    assert (drawn.sum(0) == 7).all()
    assert (weights(7) == drawn).all(), "the seed is fixed"


@pytest.mark.parametrize("estimate", [ert, median])
def test_intervals_cover_the_truth(estimate):
    """Of 400 groups of 40 trials with an exponential cost of mean 1, about 95 % cover: 0.91 to 0.98 is four sigma,
    less the two per cent that the percentile bootstrap is known to lack at this size."""
    cost = np.random.default_rng(1).exponential(size=(400, 40))
    truth = 1.0 if estimate is ert else np.log(2.0)
    _, low, high = estimate(cost, np.ones_like(cost, dtype=bool))
    assert 0.89 <= ((low <= truth) & (truth <= high)).mean() <= 0.99


@pytest.mark.parametrize("estimate", [ert, median])
def test_intervals_enclose_their_value(estimate):
    rng = np.random.default_rng(2)
    cost, hit = rng.exponential(size=(300, 5)), rng.random((300, 5)) < 0.5
    value, low, high = estimate(cost, hit)
    assert (low <= value).all()
    assert (value <= high).all()


@pytest.mark.parametrize("estimate", [ert, median])
def test_one_trial_says_nothing_about_others(estimate):
    found = np.transpose(estimate(np.array([[5.0], [9.0]]), np.array([[True], [False]])))
    assert found[0].tolist() == [5.0, 0.0, np.inf]
    assert found[1, [0, 2]].tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("n", [1, 3, 10])
def test_without_a_hit_the_ert_has_the_lower_end_that_wilson_leaves(n):
    """At the rate p a hit costs (1 - p) / p misses first; p is at most the upper end for 0 of n."""
    _, low, high = ert(np.full((1, n), 100.0), np.zeros((1, n), dtype=bool))
    p = stats.binomtest(0, n).proportion_ci(method="wilson").high
    assert low[0] == pytest.approx(100.0 * (1.0 - p) / p, rel=1e-12)
    assert np.isinf(high[0])


def test_one_task_says_nothing_about_others():
    found = mean_over_tasks(np.array([0.4]))
    assert (found.value, found.low, found.high) == (0.4, 0.0, 1.0)


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_one():
    """2000 uniform values: the percentile interval is the mean +- 1.96 standard errors, within a tenth of them."""
    values = np.random.default_rng(3).random(2000)
    error = values.std() / np.sqrt(len(values))
    found = mean_over_tasks(values)
    assert (found.low - found.value, found.high - found.value) == pytest.approx(
        (-1.96 * error, 1.96 * error), abs=0.2 * error
    )


def test_the_difference_of_two_rates_is_newcombes():
    """Newcombe 1998, table II, method 10, example (a): 56/70 against 48/80."""
    found = rate_difference(56, 70, 48, 80)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_no_failures_on_either_side_leave_wilsons_width():
    assert rate_difference(0, 40, 0, 40).high == pytest.approx(success_rate(0, 40).high)
