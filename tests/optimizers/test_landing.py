"""Landing: the published field with skew(g x^T) [n, n] in full, the safe step, and where the iterates end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.optimizers.riemannian.landing import landing, lifted, relative_gradient, safe_step
from tests.optimizers.frames import bowl, error, frame, gradient, iterates
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-12


def field(x: Tensor, attraction: float) -> Tensor:
    """Return (skew(g x^T) + attraction (x x^T - I)) x of `bowl`, with both products [n, n]."""
    g = gradient(bowl, x)
    skew = 0.5 * (g @ x.T - x @ g.T)
    return (skew + attraction * (x @ x.T - torch.eye(len(x), dtype=x.dtype))) @ x


def off_the_manifold(distance: float, *shape: int, seed: int = 0) -> Tensor:
    """Draw a point with an error of the given norm."""
    x, e = frame(*shape, seed=seed), normal(*shape[:-2], shape[-1], shape[-1], seed=seed + 100)
    e = e + e.mT
    e = distance * e / torch.linalg.matrix_norm(e, keepdim=True)
    values, vectors = torch.linalg.eigh(torch.eye(shape[-1], dtype=x.dtype) + e)
    return x @ (vectors * values.sqrt().unsqueeze(-2)) @ vectors.mT


@pytest.mark.parametrize("attraction", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("start", [frame(7, 3), off_the_manifold(0.3, 7, 3)], ids=["on", "off"])
def test_steps_are_those_of_the_publication(attraction: float, start: Tensor) -> None:
    x, points = start, []
    for _ in range(30):
        x = x - 0.01 * field(x, attraction)
        points.append(x)
    ours = iterates(landing, bowl, start, 30, lr=0.01, attraction=attraction)
    torch.testing.assert_close(ours, torch.stack(points), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("lr", [0.1, 10.0, 1e5])
@pytest.mark.parametrize("momentum", [0.0, 0.95])
@pytest.mark.parametrize("safety", [0.5, 0.05])
def test_the_error_never_exceeds_the_safety(lr: float, momentum: float, safety: float) -> None:
    """With gradients of any size and direction, in float32, whatever lr."""
    noise = torch.Generator().manual_seed(0)

    def f(x: Tensor) -> Tensor:
        size = 10.0 ** (6.0 * torch.rand((), generator=noise) - 3.0)
        return size * (x * torch.randn(x.shape, generator=noise)).sum()

    options = {"lr": lr, "momentum": momentum, "attraction": 0.2, "safety": safety}
    errors = error(iterates(landing, f, frame(8, 3, dtype=torch.float32), 500, **options).double())
    rounding = 16 * torch.finfo(torch.float32).eps  # of products of 8 entries up to 1, in float32
    assert errors.max() < safety + rounding
    assert lr < 1.0 or errors.max() > 0.9 * safety  # it is that which held them


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.49])
@pytest.mark.parametrize("attraction", [0.1, 1.0])
def test_no_step_up_to_the_safe_one_is_unsafe(distance: float, attraction: float) -> None:
    """At 200 random points with random gradients; the bound is met where nothing pulls."""
    x, g = off_the_manifold(distance, 200, 7, 3), normal(200, 7, 3, seed=3) * 10.0
    gram = x.mT @ x
    e = gram - torch.eye(3, dtype=x.dtype)
    F = relative_gradient(x, g, gram) + attraction * x @ e
    longest = safe_step(torch.linalg.matrix_norm(e, keepdim=True), F, attraction=attraction, safety=0.5)
    for share in torch.linspace(0.0, 1.0, 11).tolist():
        assert error(x - share * longest * F).max() <= 0.5 * (1.0 + ROUNDING)
    assert (longest <= 0.5 / attraction).all()


def test_without_a_gradient_it_lands() -> None:
    """E goes to (1 - 2 s) E - 2 s E^2 + s^2 (E^2 + E^3) with s = lr attraction, as long as that is safe."""
    x = off_the_manifold(0.4, 7, 3)
    errors = error(iterates(landing, lambda x: 0.0 * x.sum(), x, 40, lr=0.2, attraction=1.0))
    d = errors[:-1]
    assert (errors[1:] <= 0.6 * d + 0.44 * d**2 + 0.04 * d**3 + ROUNDING).all()
    assert errors[-1] < 1e-7


def test_a_start_beyond_reach_stays() -> None:
    x = 2.0 * frame(7, 3)
    assert torch.equal(iterates(landing, bowl, x, 1)[0], x)


def test_on_the_manifold_the_field_is_half_the_canonical_gradient() -> None:
    x, g = frame(7, 3), normal(7, 3)
    relative = relative_gradient(x, g, x.mT @ x)
    torch.testing.assert_close(relative, 0.5 * Stiefel(metric="canonical").gradient(x, g), rtol=0, atol=ROUNDING)


def test_the_past_is_transported_by_projection() -> None:
    """The relative gradient of the lift of any vector that is tangent where it comes from is its projection, nearly.

    Exactly so for tangent vectors; else the normal part, of second order in the distance, goes.
    """
    x, v = frame(7, 3), Stiefel().tangent(frame(7, 3), normal(7, 3, seed=1))
    torch.testing.assert_close(relative_gradient(x, lifted(x, v), x.mT @ x), v, rtol=0, atol=ROUNDING)
    y = off_the_manifold(0.4, 7, 3, seed=2)
    w = relative_gradient(y, lifted(y, v), y.mT @ y)
    assert (y.mT @ w + w.mT @ y).abs().max() < ROUNDING
    assert w.norm() <= 1.4 * v.norm()
