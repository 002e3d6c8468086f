"""Tuning: who won, worked out by hand."""

import pandas as pd
import pytest

from rmobench.errors import InputError
from rmobench.statistics import winners
from tests.statistics.records import trial

EASY, HARD = "easy[dim=2]", "hard[dim=2]"


def table(*rows):
    return pd.DataFrame(
        [trial(hits, task=task, optimizer=name, seed=s, id=str(s)) for s, (task, name, hits) in enumerate(rows)]
    )


def test_the_lowest_ert_at_the_headline_wins_a_task():
    """a: (10 + 100) / 1 = 110; b: (40 + 60) / 2 = 50; the faster single hit does not win."""
    runs = table(
        (EASY, "a", {1e-1: 1, 1e-2: 10}), (EASY, "a", {1e-1: 1}), (EASY, "b", {1e-2: 40}), (EASY, "b", {1e-2: 60})
    )
    assert winners(runs).by_task == {EASY: "b"}


def test_where_nobody_reached_the_headline_the_easier_rung_decides():
    runs = table((HARD, "a", {}), (HARD, "b", {1e-1: 90}), (HARD, "c", {1e-1: 70}))
    assert winners(runs).by_task == {HARD: "c"}


def test_where_nobody_reached_any_rung_the_end_decides_and_an_infeasible_one_is_none():
    runs = table((HARD, "a", {}), (HARD, "b", {}), (HARD, "c", {}))
    runs["final"], runs["status"] = [0.9, 0.7, -1.6], ["budget", "budget", "infeasible"]
    assert winners(runs).by_task == {HARD: "b"}


def test_a_task_is_judged_at_its_own_rungs():
    runs = table((EASY, "a", {}), (EASY, "b", {1e-2: 5}), (HARD, "a", {1e-5: 90}), (HARD, "b", {1e-5: 9}))
    runs["rungs"] = [(1e-1, 1e-2)] * 2 + [(1e-5,)] * 2
    runs["headline"] = [1e-2] * 2 + [1e-5] * 2
    assert winners(runs).by_task == {EASY: "b", HARD: "b"}


def test_over_all_tasks_the_geometric_mean_decides_and_a_miss_costs_twice_the_budget():
    """a: sqrt(10 * 200) = 44.7; b: sqrt(50 * 50) = 50; with a miss of b on HARD it would be 100."""
    runs = table((EASY, "a", {1e-2: 10}), (HARD, "a", {}), (EASY, "b", {1e-2: 50}), (HARD, "b", {1e-2: 50}))
    assert winners(runs).overall == "a"
    runs = table((EASY, "a", {1e-2: 10}), (HARD, "a", {}), (EASY, "b", {1e-2: 30}), (HARD, "b", {1e-2: 50}))
    assert winners(runs).overall == "b"


def test_over_all_tasks_without_a_hit_the_ends_decide():
    runs = table((EASY, "a", {}), (HARD, "a", {}), (EASY, "b", {}), (HARD, "b", {}))
    runs["final"] = [0.9, 0.8, 0.7, 0.6]
    assert winners(runs).overall == "b"


def test_no_records_are_the_users_mistake():
    with pytest.raises(InputError, match="no records"):
        winners(table((EASY, "a", {})).iloc[:0])


def test_a_setting_that_blows_up_wins_only_where_all_do():
    runs = table((EASY, "a", {1e-2: 5}), (EASY, "b", {1e-2: 50}), (HARD, "a", {1e-2: 5}), (HARD, "b", {1e-2: 50}))
    runs["status"] = ["nonfinite", "budget", "nonfinite", "diverged"]
    assert winners(runs).by_task == {EASY: "b", HARD: "a"}
    assert winners(runs).overall == "b"
