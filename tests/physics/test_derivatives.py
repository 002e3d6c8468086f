"""Derivatives: right, of second order too, and finite where formulas are singular."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.physics.configuration import difference, integrate, limit_excess, pose_of
from rmobench.physics.contact import Ground
from rmobench.physics.kinematics import landmarks
from rmobench.physics.rollout import rollout
from rmobench.physics.solve import solve
from rmobench.physics.step import step
from tests.physics.machines import F64, adult, block, rest, states, vector

SOFT = Ground(stiffness=2e3, smoothing=0.02, slip=0.5)
"""Soft enough for central differences of width 1e-6."""


def test_gradcheck_of_a_step_on_the_ground() -> None:
    body = block()
    (qpos,), (qvel,) = states(body, 1, turn=0.05, rate=0.5)
    force = torch.randn(6, generator=torch.Generator().manual_seed(3), dtype=F64)

    def end(qpos: Tensor, qvel: Tensor, force: Tensor) -> tuple[Tensor, Tensor]:
        return step(body, qpos, qvel, duration=0.005, force=force, ground=SOFT)

    inputs = tuple(x.clone().requires_grad_() for x in (qpos, qvel, force))
    assert torch.autograd.gradcheck(end, inputs)
    assert torch.autograd.gradgradcheck(end, inputs)


def test_gradcheck_of_the_controllers_of_an_adult_on_the_ground() -> None:
    """Along random directions, as fast_mode does, through three steps."""
    body = adult()
    qpos, qvel = rest(body)
    angles = 0.2 * torch.randn(3, body.n_driven, generator=torch.Generator().manual_seed(4), dtype=F64)

    def end(angles: Tensor, qvel: Tensor) -> Tensor:
        motion, _ = rollout(body, qpos, qvel, duration=0.01, targets=pose_of(body, angles), ground=SOFT)
        return landmarks(body, motion)

    inputs = (angles.requires_grad_(), (qvel + 0.1).requires_grad_())
    assert torch.autograd.gradcheck(end, inputs, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_derivatives_at_rest_are_finite(dtype: torch.dtype) -> None:
    """Where turns, slips and errors are all zero, and lengths have no derivative."""
    body = adult(dtype)
    qpos, qvel = (x.clone().requires_grad_() for x in rest(body))
    angles = torch.zeros(4, body.n_driven, dtype=dtype, requires_grad=True)
    motion, _ = rollout(body, qpos, qvel, duration=0.005, targets=pose_of(body, angles), ground=Ground())
    (landmarks(body, motion).square().sum() + limit_excess(body, motion).sum()).backward()
    for x in (qpos, qvel, angles):
        assert x.grad is not None and x.grad.isfinite().all()
    assert angles.grad.norm() > 0


def test_a_controller_half_a_turn_away_has_finite_derivatives() -> None:
    body = adult()
    angles = torch.zeros(body.n_driven, dtype=F64)
    angles[0] = torch.pi
    angles.requires_grad_()
    difference(body, body.home, pose_of(body, angles)).square().sum().backward()
    assert angles.grad.isfinite().all()


def matrix_and_right_side() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(2, 4, 4, generator=generator, dtype=F64), torch.randn(2, 4, generator=generator, dtype=F64)


def positive(a: Tensor) -> Tensor:
    return a @ a.mT + torch.eye(a.shape[-1], dtype=a.dtype)


def test_solve_and_its_derivatives() -> None:
    a, b = matrix_and_right_side()
    torch.testing.assert_close(solve(positive(a), b), torch.linalg.solve(positive(a), b))
    inputs = (a.requires_grad_(), b.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: solve(positive(a), b), inputs)
    assert torch.autograd.gradgradcheck(lambda a, b: solve(positive(a), b), inputs)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own forward mode scripts
def test_solve_goes_forward_and_over_worlds() -> None:
    """Forward over reverse, under vmap, equals reverse over reverse."""
    a, b = matrix_and_right_side()

    def energy(x: Tensor, b: Tensor) -> Tensor:
        return (b * solve(positive(x), b)).sum()

    there = torch.vmap(torch.func.hessian(energy))(a, b)
    back = torch.vmap(torch.func.jacrev(torch.func.jacrev(energy)))(a, b)
    torch.testing.assert_close(there, back)


def test_solve_says_nan_where_the_matrix_is_not_positive() -> None:
    a = torch.stack([torch.eye(2, dtype=F64), -torch.eye(2, dtype=F64)])
    x = solve(a, torch.ones(2, 2, dtype=F64))
    assert x[0].tolist() == [1.0, 1.0] and x[1].isnan().all()


def test_difference_undoes_integrate() -> None:
    body = adult()
    qpos, _ = states(body, 50)
    _, qvel = states(body, 50, seed=1, rate=0.8)  # balls turn by less than half a turn
    torch.testing.assert_close(difference(body, qpos, integrate(body, qpos, qvel)), qvel, rtol=0, atol=1e-12)


def test_limit_excess_is_what_goes_beyond_the_range() -> None:
    """The right knee bends from 0 to 2.6 rad, the chest turns by up to 1.2 rad about any axis."""
    body = adult()
    assert limit_excess(body, body.home).abs().max() == 0
    angles = torch.zeros(3, body.n_driven, dtype=F64)
    angles[0, 3], angles[1, 3] = -0.2, 3.0  # after the three of the right hip
    angles[2, 14:17] = vector(1.0, 1.0, 1.0)  # after two legs of 7
    excess = limit_excess(body, pose_of(body, angles))
    torch.testing.assert_close(excess.sum(-1), vector(0.2, 0.4, 3**0.5 - 1.2), rtol=0, atol=1e-12)
