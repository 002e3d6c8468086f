"""Curves with intervals say what the numbers of the board say."""

from __future__ import annotations

import numpy as np
import pytest

from rmobench.statistics import curves, ecdf_bands, leaderboard, profile_bands
from rmobench.types import AXES
from tests.benchmarks import synthetic
from tests.statistics.records import solved, table, trial

GRID = 1.0 / 40.0
"""Width of a cell of the grid of 41 points, as a share of the axis: as much as an area may be off."""


@pytest.fixture(scope="module")
def runs():
    """Thirty tasks, four optimizers, five seeds; some trials fail."""
    return synthetic.runs(n_tasks=30, n_optimizers=4, n_seeds=5)


@pytest.mark.parametrize("axis", AXES)
def test_the_area_under_a_profile_is_the_score(runs, axis):
    (board,) = leaderboard(runs, axis=axis)
    bands = {band.optimizer: band for band in profile_bands(board)}
    for row in board.rows:
        area = bands[row.optimizer].share[:-1].mean()
        assert area == pytest.approx(row.score.value, abs=GRID)


@pytest.mark.parametrize("axis", AXES)
def test_the_area_under_an_ecdf_is_that_of_the_board(runs, axis):
    (board,) = leaderboard(runs, axis=axis)
    bands = {band.optimizer: band for band in ecdf_bands(runs, axis=axis)}
    for row in board.rows:
        assert bands[row.optimizer].share[:-1].mean() == pytest.approx(row.ecdf_area, abs=GRID)


def test_an_ecdf_is_the_step_function_on_a_grid(runs):
    for band, curve in zip(ecdf_bands(runs), curves(runs), strict=True):
        at = np.searchsorted(curve.cost, band.x * (1.0 + 1e-9), side="right")
        np.testing.assert_allclose(band.share, np.r_[0.0, curve.share][at], atol=1e-12)


def test_bands_enclose_their_curves_and_rise(runs):
    (board,) = leaderboard(runs)
    for band in (*ecdf_bands(runs), *profile_bands(board)):
        assert (band.low <= band.share).all()
        assert (band.share <= band.high).all()
        assert all((np.diff(line) >= -1e-12).all() for line in (band.share, band.low, band.high))
        assert band.low.min() >= 0.0
        assert band.high.max() <= 1.0


def test_more_tasks_narrow_the_band():
    few, many = (
        ecdf_bands(synthetic.runs(n_tasks=n, n_optimizers=1, n_seeds=3))[0] for n in (10, 160)
    )  # a quarter of the width
    widths = [(band.high - band.low).max() for band in (few, many)]
    assert widths[1] == pytest.approx(widths[0] / 4.0, rel=0.3)


def test_a_single_task_says_nothing_about_others():
    (board,) = leaderboard(table(solved(20)))
    for band in (*ecdf_bands(table(solved(20), trial(seed=1))), *profile_bands(board)):
        assert (band.low == 0.0).all()
        assert (band.high == 1.0).all()


def test_what_was_not_attempted_counts_as_unsolved_in_a_profile():
    runs = table(solved(20), solved(20, task="hill"), solved(10, optimizer="special"))
    (board,) = leaderboard(runs)
    shares = {band.optimizer: band.share[-1] for band in profile_bands(board)}
    assert shares == {"adam": 1.0, "special": 0.5}
