"""Success on tasks that have one difficulty each."""

from __future__ import annotations

from rmobench.registry import tasks
from rmobench.statistics import PATHOLOGIES, pathologies
from rmobench.statistics.intervals import success_rate
from tests.statistics.records import solved, table, trial


def test_every_pathology_is_a_registered_task():
    assert set(PATHOLOGIES) <= set(tasks())


def test_hits_of_all_trials_by_optimizer_and_pathology():
    kink = {"task": "kink[dim=10]", "task_name": "kink"}
    runs = table(solved(10, **kink), trial(seed=1, **kink), trial(**kink, optimizer="other"), solved(10))
    found = {(x.optimizer, x.pathology): x for x in pathologies(runs)}
    assert set(found) == {("adam", "kink"), ("other", "kink")}
    x = found["adam", "kink"]
    assert (x.n_hits, x.n_trials, x.success) == (1, 2, success_rate(1, 2))
    assert found["other", "kink"].n_hits == 0


def test_other_tasks_give_nothing():
    assert pathologies(table(solved(10))) == ()
