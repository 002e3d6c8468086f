"""Manifold Muon: is its direction the steepest tangent in the spectral norm?"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import Stiefel, polar_factor
from rmobench.optimizers.riemannian.manifold_muon import SMOOTHING, manifold_muon, steepest
from tests.optimizers.frames import bowl, error, frame, gradient, iterates
from tests.optimizers.plain_oracle import normal

TOLERANCE = 1e-6


def symmetric(a: Tensor) -> Tensor:
    return 0.5 * (a + a.mT)


def solved(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    return steepest(x, g, tolerance=TOLERANCE, n_dual=1000)


SHAPES = [(6, 3), (30, 10), (8, 8), (7, 7), (5, 1), (4, 12, 5)]
GRADIENTS = {
    "random": lambda *shape: normal(*shape, seed=1),
    "graded": lambda *shape: normal(*shape, seed=1) * 10.0 ** -torch.arange(shape[-1], dtype=torch.float64),
    "small": lambda *shape: 1e-12 * normal(*shape, seed=1),
    "nearly normal": lambda *shape: (
        frame(*shape) @ torch.diag(torch.arange(1.0, 1.0 + shape[-1], dtype=torch.float64))
        + 1e-6 * normal(*shape, seed=1)
    ),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("g", GRADIENTS.values(), ids=GRADIENTS)
def test_the_direction_is_feasible_and_optimal(shape: tuple[int, ...], g) -> None:
    """Tangent, of spectral norm at most 1, and as steep as the dual allows but for the smoothing."""
    x, g = frame(*shape), g(*shape)
    A, bound = solved(x, g)
    assert torch.linalg.matrix_norm(A, 2).max() <= 1.0
    tangency = torch.linalg.matrix_norm(symmetric(x.mT @ A)) / shape[-1] ** 0.5
    assert tangency.max() <= TOLERANCE * (1.0 + 1e-6) + 1e-9
    value = (g * A).sum((-2, -1), keepdim=True)
    size = torch.linalg.matrix_norm(Stiefel().tangent(x, g), keepdim=True) / shape[-1] ** 0.5
    normal_part = torch.linalg.matrix_norm(g, keepdim=True) * shape[-1] ** 0.5 * TOLERANCE
    assert (value <= bound + normal_part).all()
    assert (bound - value <= 2.0 * SMOOTHING * shape[-1] * size + normal_part).all()


def test_no_tangent_of_norm_one_is_steeper() -> None:
    """Among random ones, and ones near the direction."""
    x, g = frame(6, 3), normal(6, 3, seed=1)
    A, _ = solved(x, g)
    for spread in (0.01, 0.3, 100.0):
        others = Stiefel().tangent(x.expand(300, 6, 3), A + spread * normal(300, 6, 3, seed=2))
        others = others / torch.linalg.matrix_norm(others, 2, keepdim=True)
        assert (g * others).sum((-2, -1)).max() < (g * A).sum() * (1.0 + 1e-3)


def test_subgradient_steps_on_the_dual_come_to_the_same_value() -> None:
    """The source's ascent: S <- S - a_k sym(x^T msign(g + x S)) from -sym(x^T g), with steps that fall."""
    x, g = frame(6, 3), normal(6, 3, seed=1)
    S = -symmetric(x.T @ g)
    values = []
    for k in range(3000):
        M = g + x @ S
        values.append(torch.linalg.svdvals(M).sum())
        S = S - 0.3 / (1.0 + k) ** 0.5 * symmetric(x.T @ polar_factor(M))
    _, bound = solved(x, g)
    torch.testing.assert_close(bound.squeeze(), torch.stack(values).min(), rtol=1e-5, atol=0)


def test_a_square_frame_has_a_closed_form() -> None:
    """G = x Omega has the tangent sign x Omega (-Omega^2)^-1/2: nothing is left for the dual to do."""
    x, g = frame(8, 8), normal(8, 8, seed=1)
    omega = x.mT @ Stiefel().tangent(x, g)
    A, _ = steepest(x, g, tolerance=TOLERANCE, n_dual=1)
    torch.testing.assert_close(A, x @ polar_factor(omega), rtol=0, atol=1e-3)


def test_a_step_is_the_nearest_frame_to_the_straight_one() -> None:
    x = frame(7, 3)
    A, _ = steepest(x, gradient(bowl, x), tolerance=1e-4, n_dual=50)
    (y,) = iterates(manifold_muon, bowl, x, 1, lr=0.3)
    torch.testing.assert_close(y, polar_factor(x - 0.3 * A), rtol=0, atol=1e-12)
    assert error(y) < 1e-14


def test_the_size_of_the_gradient_does_not_matter() -> None:
    plain = iterates(manifold_muon, bowl, frame(7, 3), 10, momentum=0.5)
    scaled = iterates(manifold_muon, lambda x: 1e-6 * bowl(x), frame(7, 3), 10, momentum=0.5)
    torch.testing.assert_close(scaled, plain, rtol=0, atol=1e-10)
