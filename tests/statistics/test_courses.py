"""Medians and quartiles along trials, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmobench.errors import InputError
from rmobench.statistics import courses
from tests.statistics.records import table, traced, trial


def runs(*metrics, **changes):
    return table(*(traced(trial(seed=i, **changes), metric) for i, metric in enumerate(metrics)))


def at(course, cost, line="median"):
    """The last point of the grid at or before a cost."""
    return float(getattr(course, line)[np.searchsorted(course.cost, cost, side="right") - 1])


def test_the_median_of_three_seeds_holds_the_last_judged_point():
    (course,) = courses(runs({0: 1.0, 4: 0.4, 8: 0.1}, {0: 1.0, 4: 0.5, 8: 0.3}, {0: 1.0, 4: 0.6}), axis="step")
    assert course.n_trials == 3
    assert course.cost[0] == 0.0
    assert course.cost[-1] == 8.0
    assert at(course, 0) == 1.0
    assert at(course, 3) == 1.0
    assert at(course, 5) == 0.5
    assert [at(course, 8, line) for line in ("low", "median", "high")] == [0.1, 0.3, 0.6]  # the third ended at 4


def test_what_is_not_finite_is_worse_than_everything():
    (course,) = courses(runs({0: 1.0, 4: math.nan}, {0: 1.0, 4: 0.5}, {0: 1.0, 4: 0.6}), axis="step")
    assert [at(course, 4, line) for line in ("low", "median")] == [0.5, 0.6]
    assert math.isnan(at(course, 4, "high"))
    (lost,) = courses(runs({0: 1.0, 4: math.inf}, {0: 1.0, 4: math.nan}, {0: 1.0, 4: 0.6}), axis="step")
    assert math.isnan(at(lost, 4))


def test_where_more_is_better_the_lost_are_at_the_bottom():
    (course,) = courses(runs({0: 0.1, 4: math.nan}, {0: 0.1, 4: 0.5}, {0: 0.1, 4: 0.9}, mode="max"), axis="step")
    assert math.isnan(at(course, 4, "low"))
    assert [at(course, 4, line) for line in ("median", "high")] == [0.5, 0.9]


def test_a_trial_without_a_trace_is_left_out():
    (course,) = courses(runs({0: 1.0, 2: 0.5}, {}), axis="step")
    assert course.n_trials == 1
    assert courses(runs({}), axis="step") == ()


def test_traces_must_be_loaded():
    with pytest.raises(InputError, match="trace=True"):
        courses(table(trial()))
