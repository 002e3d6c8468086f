"""Wilcoxon against scipy, Holm by hand, and how pairs are made."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rmobench.statistics.hits import at_rung, costs
from rmobench.statistics.significance import holm, signed_rank, versus
from tests.statistics.records import solved, table, trial


def test_holm_by_hand():
    """0.005 * 4, 0.01 * 3, 0.03 * 2 and 0.04 * 1, which may not fall below the one before."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).size == 0


@pytest.mark.parametrize("n", [1, 5, 12, 50, 51, 400])
def test_signed_rank_agrees_with_scipy(n):
    difference = np.random.default_rng(n).normal(0.3, 1.0, n)
    assert signed_rank(difference) == pytest.approx(stats.wilcoxon(difference).pvalue, rel=1e-12)


def test_signed_rank_by_hand():
    """Five differences of one sign: two of the 32 signings are as extreme."""
    assert signed_rank(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx(2 / 32)


def test_no_difference_is_no_evidence():
    assert signed_rank(np.zeros(10)) == 1.0


def chosen(*trials):
    return at_rung(costs(table(*trials), axis="n_grad"), None)


def test_pairs_share_task_and_seed():
    """Seed 0 is won, seed 1 lost (a miss), seed 2 tied as both miss; seed 3 has no partner."""
    adam = [solved(40, seed=0), solved(40, seed=1), trial(seed=2)]
    other = [solved(20, seed=0), trial(seed=1), trial(seed=2), solved(1, seed=3)]
    found = versus(chosen(*adam, *(t | {"optimizer": "other"} for t in other)), "adam")
    assert found.keys() == {"other"}
    assert (found["other"].wins, found["other"].losses, found["other"].ties) == (1, 1, 1)


def test_nothing_in_common_has_no_p_value():
    found = versus(chosen(solved(40, task="x"), solved(40, task="y", optimizer="other")), "adam")
    assert (found["other"].wins, found["other"].p_value) == (0, None)


def test_p_values_of_a_board_are_corrected_together():
    """Two optimizers that win every one of ten seeds: 2 / 1024 each, times two."""
    rows = [
        solved(50 + s - k * 20, seed=s, optimizer=name) for k, name in enumerate(("adam", "b", "c")) for s in range(10)
    ]
    rows = [row | {"hit_n_grad": [c * (1 + 0.001 * row["seed"] ** 2) for c in row["hit_n_grad"]]} for row in rows]
    found = versus(chosen(*rows), "adam")
    assert [found[name].p_value for name in "bc"] == pytest.approx([4 / 1024, 4 / 1024])
