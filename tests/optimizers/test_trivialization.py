"""Trivialization: torch's Adam on an explicit parametrization, and the derivative of the map."""

from __future__ import annotations

import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.geometry import Geodesic, Sphere, Stiefel
from rmobench.optimizers.riemannian.trivialization import image, pulled_back, trivialization
from tests.optimizers.frames import bowl, frame, on, walk
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-11
"""Of exponentials, over some steps."""

MANIFOLDS = [Stiefel(), Stiefel(metric="canonical"), Sphere()]

everywhere = pytest.mark.parametrize("manifold", MANIFOLDS, ids=["embedded", "canonical", "sphere"])


@everywhere
@pytest.mark.parametrize("n_base", [1, 4, 100])
def test_steps_are_adams_on_the_coordinates(manifold: Geodesic, n_base: int) -> None:
    """With torch.optim.Adam and its automatic differentiation through f(exp_b(tangent part of z))."""
    base = manifold.random((6, 3), torch.Generator().manual_seed(0))
    z, points = torch.zeros_like(base).requires_grad_(), []
    adam = torch.optim.Adam([z], lr=0.05, betas=(0.8, 0.95))
    for t in range(1, 13):
        adam.zero_grad()
        bowl(manifold.exp(base, manifold.tangent(base, z))).backward()
        adam.step()
        with torch.no_grad():
            points.append(manifold.exp(base, manifold.tangent(base, z)))
            if t % n_base == 0:
                base = points[-1]
                z.zero_()
    start = manifold.random((6, 3), torch.Generator().manual_seed(0))
    p = on(manifold, bowl, start)
    ours = walk(lambda p: trivialization(p, lr=0.05, beta1=0.8, beta2=0.95, n_base=n_base), p, 12)
    torch.testing.assert_close(ours, torch.stack(points).flatten(1), rtol=0, atol=ROUNDING)


@everywhere
def test_the_gradient_is_pulled_back_through_the_map(manifold: Geodesic) -> None:
    """Against central differences, away from the origin."""
    base = manifold.random((6, 3), torch.Generator().manual_seed(0))
    z, g, v, h = normal(6, 3, seed=1), normal(6, 3, seed=2), normal(6, 3, seed=3), 1e-5
    slope = (g * (image(manifold, base, z + h * v) - image(manifold, base, z - h * v))).sum() / (2.0 * h)
    assert (pulled_back(manifold, base, z, g) * v).sum() == pytest.approx(slope.item(), rel=1e-8)


@everywhere
def test_at_the_origin_it_is_the_tangent_part(manifold: Geodesic) -> None:
    base, g = manifold.random((6, 3), torch.Generator().manual_seed(0)), normal(6, 3)
    pulled = pulled_back(manifold, base, torch.zeros_like(base), g)
    torch.testing.assert_close(pulled, manifold.tangent(base, g), rtol=0, atol=ROUNDING)


def test_a_base_that_never_changes_still_reaches_the_minimum() -> None:
    """The exponential is onto."""
    b = normal(6, 3, seed=2)
    f = lambda x: 0.5 * (x - b).square().sum()  # noqa: E731
    x = walk(lambda p: trivialization(p, lr=0.02, n_base=10**6), on(Stiefel(), f, frame(6, 3)), 400)[-1].reshape(6, 3)
    best = 0.5 * (b.square().sum() + 3.0) - torch.linalg.svdvals(b).sum()
    assert f(x) - best < 1e-8


def test_a_base_must_last_a_step() -> None:
    with pytest.raises(ArgumentError, match=r"trivialization: got n_base=0, expected 1 or more\."):
        trivialization(on(Stiefel(), bowl, frame(6, 3)), n_base=0)
