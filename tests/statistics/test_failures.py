"""How a trial failed, from its status and its trace."""

from __future__ import annotations

import math

import pytest

from rmobench.statistics import Failure, robustness
from rmobench.statistics.failures import failure
from tests.statistics.records import solved, table, traced, trial

MOVING = {0: 1.0, 10: 0.5, 40: 0.4, 100: 0.3}


@pytest.mark.parametrize(
    ("status", "metrics", "kind", "step"),
    [
        ("unsupported_dtype", {}, Failure.unsupported, 60.0),
        ("failed", MOVING, Failure.exception, 60.0),
        ("oom", MOVING, Failure.exception, 60.0),
        ("killed", {}, Failure.exception, 60.0),
        ("nonfinite", MOVING, Failure.nonfinite, 60.0),
        ("diverged", {0: 1.0, 20: 11.0, 60: 1e7}, Failure.diverged, 20.0),
        ("diverged", {0: 1.0}, Failure.diverged, 60.0),
        ("budget", {0: 0.5, 20: 4.9, 30: 5.1, 60: 0.3}, Failure.diverged, 30.0),  # more than ten times 0.5
        ("budget", {0: 0.5, 20: 4.9, 60: 0.3}, Failure.missed, math.nan),
        ("infeasible", MOVING, Failure.infeasible, 60.0),
        ("stopped", MOVING, Failure.stagnated, 60.0),
        ("budget", {0: 1.0, 10: 1.0, 100: 1.0}, Failure.stagnated, 0.0),  # nothing ever moved
        ("budget", {0: 1.0, 10: 0.5, 50: 0.4, 100: 0.4}, Failure.stagnated, 50.0),  # nor in the latter half
        ("budget", {0: 1.0, 10: 0.5, 60: 0.4, 100: 0.4}, Failure.missed, math.nan),
        ("budget", MOVING, Failure.missed, math.nan),
        ("timeout", MOVING, Failure.missed, math.nan),
        ("budget", {}, Failure.missed, math.nan),
    ],
)
def test_the_first_kind_that_fits(status, metrics, kind, step):
    found, at = failure(traced(trial(status=status, step=60.0), metrics), hit=False)
    assert found is kind
    assert at == pytest.approx(step, nan_ok=True)


@pytest.mark.parametrize("status", ["solved", "budget", "stopped", "infeasible"])
@pytest.mark.parametrize("metrics", [{0: 1.0, 20: 11.0, 60: 0.01}, {0: 1.0, 100: 1.0}])
def test_who_reaches_the_rung_fails_only_by_its_status(status, metrics):
    assert failure(traced(solved(10, status=status), metrics), hit=True)[0] is None


@pytest.mark.parametrize("status", ["nonfinite", "diverged", "failed"])
def test_what_ends_a_trial_is_a_failure_whatever_was_reached(status):
    assert failure(traced(solved(10, status=status), MOVING), hit=True)[0] is not None


def test_more_being_better_a_growing_metric_is_no_divergence():
    up = trial(mode="max", step=60.0)
    assert failure(traced(up, {0: 0.01, 10: 0.5, 60: 0.6}), hit=False)[0] is Failure.missed


def test_failures_are_counted_by_kind_with_the_median_step():
    records = [
        trial(status="nonfinite", step=4.0, seed=0),
        trial(status="nonfinite", step=8.0, seed=1),
        solved(10, seed=2),
    ]
    (row,) = robustness(table(*(traced(r, MOVING) for r in records))).tasks
    assert (row.failures, row.first_failure, row.n_trials) == ({"nonfinite": 2}, 6.0, 3)
