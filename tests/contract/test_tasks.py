"""What every registered task keeps to; `-m smoke` takes each through the whole path to a leaderboard row."""

from functools import partial

import pytest

from rmobench.harness.contract import TASK_CHECKS
from rmobench.harness.plan import plan
from rmobench.harness.sweep import sweep
from rmobench.registry import choose_tasks, tasks, unavailable
from rmobench.statistics.leaderboard import leaderboard
from rmobench.store import load as load_store
from rmobench.store import write
from rmobench.types import Record
from tests.contract.fitting import DEAR, TASKS, chosen


@pytest.fixture(params=[pytest.param(t, marks=pytest.mark.slow) if t in DEAR else t for t in TASKS])
def task(request):
    if (reason := unavailable(tasks()[request.param])) is not None:
        pytest.skip(f"{request.param}: {reason}")
    (only,) = choose_tasks(request.param)
    return only


@pytest.mark.smoke
def test_one_tiny_trial_reaches_the_leaderboard(task, tmp_path):
    mine, fitting = chosen(task.spec.name)
    todo = plan(mine, fitting, seeds=[0], n_calls=5).trials
    (record,) = sweep(todo, save=partial(write, tmp_path), in_process=True)
    assert isinstance(record, Record), record
    (board,) = leaderboard(load_store(tmp_path))
    assert [row.optimizer for row in board.rows] == [fitting[0].label]
    assert [score.task for score in board.scores] == [record.trial.task_label]


@pytest.mark.parametrize("check", TASK_CHECKS, ids=lambda check: check.states)
def test_the_contract(task, check):
    check.run(task)
