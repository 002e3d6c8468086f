"""The leaderboard of a hundred thousand records: `pytest tests/benchmarks --benchmark-only`."""

from __future__ import annotations

import pytest

from rmobench.statistics import leaderboard
from tests.benchmarks import synthetic


@pytest.fixture(scope="module")
def runs():
    """1,000 tasks x 10 optimizers x 10 seeds, six rungs."""
    return synthetic.runs(n_tasks=1000, n_optimizers=10, n_seeds=10)


@pytest.mark.parametrize("axis", ["n_grad", "time_s"])
def test_leaderboard_speed(benchmark, runs, axis):
    (board,) = benchmark.pedantic(leaderboard, args=(runs,), kwargs={"axis": axis}, rounds=5, warmup_rounds=1)
    assert board.n_records == 100_000
    assert len(board.scores) == 10_000
