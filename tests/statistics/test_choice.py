"""Which records count."""

from __future__ import annotations

import pytest

from rmobench.errors import InputError
from rmobench.statistics import chosen, newest, of_cells, rulesets
from tests.statistics.records import solved, table

RUNS = table(
    solved(10),
    solved(11, optimizer="adam_tuned"),
    solved(12, optimizer="adam_tuned_once", precision="fp32"),
    solved(13, optimizer="adam[lr=0.1]", task="hill[dim=2]", task_name="hill", family="covariance"),
)


def test_a_label_says_its_ruleset():
    assert list(rulesets(RUNS)) == ["defaults", "tuned", "tuned", "settings"]


@pytest.mark.parametrize(
    ("filters", "calls"),
    [
        ({}, [10, 11, 12, 13]),
        ({"ruleset": "tuned"}, [11, 12]),
        ({"ruleset": "defaults,settings"}, [10, 13]),
        ({"ruleset": "tuned", "precision": "fp32"}, [12]),
        ({"family": "covariance"}, [13]),
        ({"task": "hill"}, [13]),
        ({"task": "valley[dim=2]", "precision": "fp64"}, [10, 11]),
    ],
)
def test_filters_keep_what_fits_them_all(filters, calls):
    assert list(chosen(RUNS, **filters)["n_calls"]) == calls


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"ruleset": "best"}, "got --ruleset best; the records have defaults, settings, tuned."),
        ({"family": "covariance", "precision": "fp32"}, "got --precision fp32; the records have fp64."),
        ({"task": "mountain"}, "got --task mountain; the records have hill"),
    ],
)
def test_nothing_left_is_the_users_mistake(filters, message):
    with pytest.raises(InputError) as caught:
        chosen(RUNS, **filters)
    assert message in str(caught.value)


def test_of_repeated_records_the_newest_stays():
    runs = table(solved(10, started_at=2.0), solved(20, started_at=1.0), solved(30, seed=1))
    assert list(newest(runs)["n_calls"]) == [10, 30]


def test_cells_are_task_precision_and_budget():
    runs = table(solved(10), solved(11, precision="fp32"), solved(12, budget_calls=7))
    assert list(of_cells(runs, {("valley[dim=2]", "fp64", 100)})["n_calls"]) == [10]
