"""A chain of rods: a fit without contact whose minimum is 0, and against which every optimizer can be held."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from rmobench.errors import ArgumentError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.physics.kinematics import landmarks
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.tasks.pose.fitting import perturbed
from rmobench.tasks.pose.pose_pendulum import (
    DRIVE_DAMPING,
    LENGTH_M,
    MASS_KG,
    STIFFNESS,
    chain,
    pose_pendulum,
)
from rmobench.tasks.pose.window import Variables, Window
from rmobench.tasks.streams import stream
from rmobench.types import LADDER, Record, Status

F64 = torch.float64
CPU = torch.device("cpu")
HOUR = 3600.0  # counts decide, however slow the machine


def test_the_chain_hangs_straight() -> None:
    body = chain(3)
    expected = torch.tensor([[0.0, 0.0, -LENGTH_M * k] for k in (1, 2, 3)], dtype=F64)
    torch.testing.assert_close(landmarks(body, body.home), expected)


def test_the_hidden_controls_are_the_minimum() -> None:
    problem = pose_pendulum(3, CPU, F64)
    hidden = drawn("instance", seed=3, n_rods=3, n_steps=8)
    with torch.no_grad():
        for p, x in zip((problem.params[n] for n in ("controls", "pose", "velocity")), hidden, strict=True):
            p.copy_(x)
    assert problem.loss(problem.model, None).item() == 0.0
    found = problem.judge(problem.model)
    assert found["gap"] == pytest.approx(0.0, abs=1e-20) and found["mpjpe_g"] == pytest.approx(0.0, abs=1e-9)


def swung(variables: Variables, *, n_rods: int, n_steps: int) -> NDArray[np.float64]:
    """Return where the ends of the rods are after each control step (m) [n_steps + 1, n_rods, 3], by Lagrange.

    In angles theta to the vertical, rod i turns by its own and hangs at the ends of those above it: the kinetic energy
    is theta' M theta' / 2 with M_ij = A_ij cos(theta_i - theta_j) + I delta_ij. One step of 1/90 s takes controllers at
    its end: (M + h D + h^2 K) a = K (target - q) - (D + h K) v - bias in the joints' angles q, theta = T q.
    """
    controls, pose, velocity = (x.detach().numpy() for x in variables)
    T, h = np.tril(np.ones((n_rods, n_rods))), 1.0 / 90.0
    W = LENGTH_M * (np.tril(np.ones((n_rods, n_rods)), -1) + 0.5 * np.eye(n_rods))  # centres by angles
    A, weight = MASS_KG * W.T @ W, MASS_KG * 9.81 * W.sum(0)
    q, v = 0.05 * pose, 0.5 * velocity
    ends = [_ends(T @ q)]
    for target in 0.1 * controls.reshape(n_steps, n_rods):
        for _ in range(3):
            theta, rate = T @ q, T @ v
            apart = theta[:, None] - theta[None, :]
            M = A * np.cos(apart) + MASS_KG * LENGTH_M**2 / 12.0 * np.eye(n_rods)
            bias = (A * np.sin(apart)) @ rate**2 + weight * np.sin(theta)
            pulled = STIFFNESS * (target - q) - (DRIVE_DAMPING + h * STIFFNESS) * v - T.T @ bias
            held = (h * DRIVE_DAMPING + h**2 * STIFFNESS) * np.eye(n_rods)
            v = v + h * np.linalg.solve(T.T @ M @ T + held, pulled)
            q = q + h * v
        ends.append(_ends(T @ q))
    return np.stack(ends)


def _ends(theta: NDArray[np.float64]) -> NDArray[np.float64]:
    along = np.stack([-np.sin(theta), np.zeros_like(theta), -np.cos(theta)], axis=-1)
    return LENGTH_M * along.cumsum(0)


def drawn(name: str, *, seed: int, n_rods: int, n_steps: int) -> Variables:
    """Return the variables that the task draws from a stream of its."""
    body = chain(n_rods)
    still = torch.zeros(n_rods, dtype=F64)
    window = Window(body=body, ground=None, qpos=body.home.expand(n_steps + 1, -1), qvel=still)
    return perturbed(window, stream(seed, name))


@pytest.mark.parametrize(("n_rods", "n_steps"), [(1, 2), (3, 8), (10, 2)])
def test_the_chain_swings_as_lagranges_equations_say(n_rods: int, n_steps: int) -> None:
    """Loss and error of the start, from positions that another formula gives; nothing of the engine is in it."""
    size = {"n_rods": n_rods, "n_steps": n_steps}
    seen, there = (swung(drawn(name, seed=1, **size), **size) for name in ("instance", "init"))
    apart = np.linalg.norm(there - seen, axis=-1)
    problem = pose_pendulum(1, CPU, F64, **size)
    assert problem.judge(problem.model)["mpjpe_g"] == pytest.approx(1000.0 * apart.mean(), rel=1e-9)
    with torch.no_grad():
        for p in problem.params.values():
            p.zero_()
    still = np.linalg.norm(swung(Variables(*problem.params.values()), **size) - seen, axis=-1)
    expected = np.square(still).mean() / np.square(apart).mean()
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, rel=1e-9)


def test_the_gradient_is_that_of_central_differences() -> None:
    """In every entry, of the loss that optimizers see, at its start."""
    problem = pose_pendulum(2, CPU, F64, n_steps=4)
    x = list(problem.params.values())
    start = parameters_to_vector(x).detach()
    slope = parameters_to_vector(torch.autograd.grad(problem.loss(problem.model, None), x))

    def at(point: Tensor) -> float:
        vector_to_parameters(point, x)
        with torch.no_grad():
            return problem.loss(problem.model, None).item()

    width = 1e-5
    moves = width * torch.eye(len(start), dtype=F64)
    rises = [(at(start + move) - at(start - move)) / (2 * width) for move in moves]
    torch.testing.assert_close(slope, torch.tensor(rises, dtype=F64), rtol=1e-6, atol=1e-8)


def trial(optimizer: str, *, n_calls: int) -> Record:
    """Fit two rods in two control steps, which takes seconds."""
    chosen = choose_tasks("pose_pendulum[n_rods=2,n_steps=2]"), choose_optimizers(optimizer)
    (planned,) = plan(*chosen, seeds=[0], n_calls=n_calls, time_s=HOUR).trials
    record = run_trial(planned)
    assert isinstance(record, Record), record
    return record


@pytest.mark.parametrize("optimizer", ["bfgs", "lbfgs"])
def test_quasi_newton_methods_find_it(optimizer: str) -> None:
    """To the last rung, a gap of 1e-8, from 27 mm off to below a hundredth; they take 45 and 40 calls."""
    record = trial(optimizer, n_calls=60)
    assert record.status is Status.solved
    assert {hit.rung for hit in record.hits} == set(LADDER)
    assert record.spent.metrics["mpjpe_g"] < 0.01


@pytest.mark.parametrize(("optimizer", "gap"), [("adam[lr=0.1]", 1e-1), ("adafactor_mlp", 1e-2), ("optimus", 1e-2)])
def test_step_rules_go_downhill(optimizer: str, gap: float) -> None:
    """In ten calls; they take 5, 6 and 6."""
    assert gap in {hit.rung for hit in trial(optimizer, n_calls=10).hits}


@pytest.mark.parametrize("args", [{"n_rods": 0}, {"n_rods": 11}, {"n_steps": 1}])
def test_chains_that_make_no_sense_are_refused(args: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match=r"pose_pendulum: got n_rods=\d+ and n_steps=\d+, expected 1 to 10 rods"):
        pose_pendulum(0, CPU, F64, **args)
