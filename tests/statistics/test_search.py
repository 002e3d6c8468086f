"""The expected best of k settings, against all subsets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from rmobench.statistics.search import expected_best, searches
from tests.statistics.records import solved, table, trial

TASKS = ("valley[dim=2]", "hill[dim=2]")


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_the_expected_best_is_the_mean_over_all_subsets(k):
    values = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])
    assert expected_best(values, k) == pytest.approx(np.mean([min(part) for part in combinations(values, k)]))


def runs():
    """Setting i takes 10 i calls on one task, and 10 (5 - i) on the other."""
    return table(
        *(
            solved(10.0 * (i if task == TASKS[0] else 5 - i), task=task, optimizer=f"adam[lr={i}]", seed=seed)
            for i in (1, 2, 3, 4)
            for task in TASKS
            for seed in (0, 1)
        )
    )


def test_a_curve_falls_to_the_best():
    (search,) = searches(runs())
    assert (search.optimizer, search.n_settings, search.n_tasks, search.k) == ("adam", 4, 2, (1, 2, 4))
    assert search.by_task[0] == pytest.approx(search.once[0])  # a setting at random is one for all
    assert search.by_task[-1] == pytest.approx(10.0)  # 10 calls on either task
    assert search.once[-1] == pytest.approx((10.0 * 40.0) ** 0.5)  # an end is best for all together
    assert list(search.by_task) == sorted(search.by_task, reverse=True)


def test_a_task_without_a_hit_counts_as_one_in_twice_as_many_trials():
    lost = [trial(optimizer=f"adam[lr={i}]", seed=seed) for i in range(4) for seed in (0, 1)]
    (search,) = searches(table(*lost))
    assert search.once == pytest.approx((400.0, 400.0, 400.0))  # two trials of 100 calls, half a hit


def test_few_settings_have_no_curve():
    few = runs()
    assert searches(few[few["optimizer"] < "adam[lr=4]"]) == ()


def test_a_setting_that_did_not_run_everywhere_is_left_out():
    more = table(*runs().to_dict("records"), solved(1.0, optimizer="adam[lr=5]"))
    assert searches(more)[0].n_settings == 4
