"""ERT and median by hand, and what no data may do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmobench.errors import InputError
from rmobench.statistics import scores
from rmobench.statistics.ert import ert, median
from tests.statistics.records import solved, table, trial

COSTS = st.lists(st.integers(1, 100), min_size=1, max_size=8)


def by_hand(*trials, **how):
    (score,) = scores(table(*trials), **how)
    return score


def test_ert_is_all_cost_over_hits():
    """Hits at 30 and 50 and a miss of 100: (30 + 50 + 100) / 2 = 90; the median of 30, 50 and infinity is 50."""
    score = by_hand(solved(30, seed=0), solved(50, seed=1), trial(seed=2))
    assert (score.ert.value, score.median.value) == (90.0, 50.0)
    assert (score.n_trials, score.n_hits, score.success.value) == (3, 2, pytest.approx(2 / 3))
    assert (score.axis, score.rung, score.precision) == ("n_grad", 1e-2, "fp64")
    assert score.ert.high == np.inf, "two of three hits: some resamples hit nothing"


@pytest.mark.parametrize(("axis", "value"), [("step", (15 + 25 + 100) / 2), ("time_s", (0.3 + 0.5 + 1.0) / 2)])
def test_ert_on_the_other_axes(axis, value):
    score = by_hand(solved(30, seed=0), solved(50, seed=1), trial(seed=2), axis=axis)
    assert score.ert.value == pytest.approx(value)


def test_another_rung_can_be_asked_for():
    score = by_hand(solved(30, seed=0), trial({1e-1: 60}, seed=1), rung=1e-1)
    assert (score.rung, score.ert.value, score.n_hits) == (1e-1, 37.5, 2)


def test_nothing_reached_is_infinite():
    score = by_hand(trial(seed=0), trial(seed=1))
    assert (score.ert.value, score.ert.high, score.median.value) == (np.inf, np.inf, np.inf)
    assert 0.0 < score.ert.low < 2 * 100, "two misses leave room for a rate of some 66 %"
    assert score.success.low == 0.0


def test_groups_of_different_sizes_stand_side_by_side():
    rows = [
        solved(10 * k, optimizer=name, seed=k) for name, n in (("a", 1), ("b", 3), ("c", 2)) for k in range(1, n + 1)
    ]
    assert [(s.optimizer, s.n_trials, s.ert.value) for s in scores(table(*rows))] == [
        ("a", 1, 10),
        ("b", 3, 20),
        ("c", 2, 15),
    ]


def test_the_bootstrap_is_that_of_numpy():
    """The product of matrices gives the same resamples as drawing members one by one would: equal in distribution."""
    cost, hit = np.array([[10.0, 20.0, 40.0, 80.0, 100.0]]), np.array([[True, True, True, True, False]])
    _, low, high = ert(cost, hit)
    member = np.random.default_rng(0).integers(0, 5, (20000, 5))
    drawn = cost[0, member].sum(1) / np.maximum(hit[0, member].sum(1), 1e-300)
    assert (low[0], high[0]) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), rel=0.1)


def test_the_resampled_median_is_the_median_of_the_resample():
    from rmobench.statistics.intervals import weights

    cost = np.array([[3.0, 1.0, 4.0, 1.5, 9.0, 2.0]])
    value, low, high = median(cost, np.ones_like(cost, dtype=bool))
    resamples = [np.median(np.repeat(np.sort(cost[0]), w.astype(int))) for w in weights(6).T]
    assert value[0] == np.median(cost)
    assert (low[0], high[0]) == (np.sort(resamples)[24], np.sort(resamples)[975])


def test_no_records_say_what_to_do():
    with pytest.raises(InputError, match=r"there are no records to judge\. `rmobench run smoke` makes some"):
        scores(table(solved(40)).iloc[:0])


@settings(deadline=None, max_examples=40)
@given(
    COSTS,
    st.sampled_from(["failed", "budget", "oom"]),
    st.integers(1, 100),
    st.sampled_from(["step", "n_grad", "time_s"]),
)
def test_a_failure_never_improves_the_ert(hits, status, spent, axis):
    trials = [solved(c, seed=i) for i, c in enumerate(hits)]
    failure = trial(seed=99, status=status, n_calls=float(spent), step=spent / 2, time_s=spent / 100)
    assert by_hand(*trials, failure, axis=axis).ert.value > by_hand(*trials, axis=axis).ert.value


@settings(deadline=None, max_examples=40)
@given(COSTS, st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(hits, random):
    runs = table(
        *(solved(c, seed=i, optimizer=name) for i, c in enumerate(hits) for name in ("a", "b")), trial(optimizer="a")
    )
    shuffled = runs.sample(frac=1.0, random_state=random.randrange(2**32))
    assert scores(shuffled) == scores(runs)
