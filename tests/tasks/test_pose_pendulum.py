"""A chain of rods: a fit without contact whose minimum is 0, and against which every optimizer can be held."""

from __future__ import annotations

import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.physics.kinematics import landmarks
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.tasks.pose.fitting import perturbed
from rmobench.tasks.pose.pose_pendulum import LENGTH_M, chain, pose_pendulum
from rmobench.tasks.pose.window import Window
from rmobench.tasks.streams import stream
from rmobench.types import Record

F64 = torch.float64
CPU = torch.device("cpu")
HOUR = 3600.0  # counts decide, however slow the machine


def test_the_chain_hangs_straight() -> None:
    body = chain(3)
    expected = torch.tensor([[0.0, 0.0, -LENGTH_M * k] for k in (1, 2, 3)], dtype=F64)
    torch.testing.assert_close(landmarks(body, body.home), expected)


def test_the_hidden_controls_are_the_minimum() -> None:
    problem = pose_pendulum(3, CPU, F64)
    body = chain(3)
    window = Window(body=body, ground=None, qpos=body.home.expand(9, -1), qvel=torch.zeros(3, dtype=F64))
    hidden = perturbed(window, stream(3, "instance"))
    with torch.no_grad():
        for p, x in zip((problem.params[n] for n in ("controls", "pose", "velocity")), hidden, strict=True):
            p.copy_(x)
    assert problem.loss(problem.model, None).item() == 0.0
    found = problem.judge(problem.model)
    assert found["gap"] == pytest.approx(0.0, abs=1e-20) and found["mpjpe_g"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("optimizer", ["bfgs", "lbfgs"])
def test_quasi_newton_methods_find_it(optimizer: str) -> None:
    """To a gap of 1e-3, from 33 mm off to below 2 mm."""
    (planned,) = plan(
        choose_tasks("pose_pendulum"), choose_optimizers(optimizer), seeds=[0], n_calls=100, time_s=HOUR
    ).trials
    record = run_trial(planned)
    assert isinstance(record, Record), record
    assert {hit.rung for hit in record.hits} >= {1e-1, 1e-2, 1e-3}
    assert record.spent.metrics["mpjpe_g"] < 2.0


@pytest.mark.parametrize("optimizer", ["adam[lr=0.1]", "adafactor_mlp", "optimus"])
def test_step_rules_go_downhill(optimizer: str) -> None:
    (planned,) = plan(
        choose_tasks("pose_pendulum"), choose_optimizers(optimizer), seeds=[0], n_calls=40, time_s=HOUR
    ).trials
    record = run_trial(planned)
    assert isinstance(record, Record), record
    assert record.spent.metrics["gap"] < 0.7


@pytest.mark.parametrize("args", [{"n_rods": 0}, {"n_rods": 11}, {"n_steps": 1}])
def test_chains_that_make_no_sense_are_refused(args: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match=r"pose_pendulum: got n_rods=\d+ and n_steps=\d+, expected 1 to 10 rods"):
        pose_pendulum(0, CPU, F64, **args)
