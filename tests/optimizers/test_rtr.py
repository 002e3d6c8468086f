"""The Riemannian trust region: the inner iteration, the radius, and the order of convergence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rmobench.optimizers.riemannian.evaluation import Vector, product_of
from rmobench.optimizers.riemannian.rtr import LARGEST_RADIUS, Proposal, resized, rtr, truncated_cg
from tests.optimizers.manifold_problems import Case, brockett, inverse, rayleigh, subspace
from tests.optimizers.plain_oracle import PlainOracle, drive, hessian, normal, problem, quadratic

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers."""

FLOOR = 1e-14
"""Norm of a gradient that is rounding."""


def dot(u: Vector, v: Vector) -> float:
    return float((u["a"] * v["a"]).sum())


def solve(h: Tensor, g: Tensor, *, radius: float, tolerance: float = 0.0) -> tuple[Tensor, Proposal, int]:
    """Run the inner iteration for H and g; return the step, all it says, and the number of products."""
    asked = []

    def product(v: Vector) -> Vector:
        asked.append(v)
        return {"a": h @ v["a"]}

    proposal = truncated_cg(product, dot, dict, {"a": g}, radius=radius, tolerance=tolerance)
    return proposal.step["a"], proposal, len(asked)


def model(h: Tensor, g: Tensor, v: Tensor) -> float:
    return float(g @ v + 0.5 * v @ h @ v)


def test_inside_a_large_ball_it_is_newtons_step() -> None:
    h, g = hessian(6), normal(6)
    v, proposal, n = solve(h, g, radius=1e6)
    torch.testing.assert_close(v, -torch.linalg.solve(h, g), rtol=0, atol=1e-10)  # the condition number is 100
    torch.testing.assert_close(proposal.product["a"], h @ v, rtol=0, atol=ROUNDING)
    assert not proposal.at_boundary
    assert n == 6


@pytest.mark.parametrize("tolerance", [1e-1, 1e-3])
def test_the_residual_is_as_small_as_asked_for(tolerance: float) -> None:
    h, g = hessian(30), normal(30)
    v, _, n = solve(h, g, radius=1e6, tolerance=tolerance)
    assert (g + h @ v).norm() <= tolerance
    assert n < 30


@pytest.mark.parametrize("radius", [1e-3, 0.5, 2.0])
@pytest.mark.parametrize("shift", [0.0, -0.5, -2.0], ids=["definite", "indefinite", "negative"])
def test_at_the_boundary_it_beats_the_cauchy_point(radius: float, shift: float) -> None:
    """Down the gradient as far as the model falls, or the ball reaches: less than that has no convergence theory."""
    h, g = hessian(6) + shift * torch.eye(6, dtype=torch.float64), normal(6)
    v, proposal, _ = solve(h, g, radius=radius)
    assert proposal.at_boundary
    assert v.norm() == pytest.approx(radius, rel=ROUNDING)
    torch.testing.assert_close(proposal.product["a"], h @ v, rtol=0, atol=ROUNDING)
    bend = float(g @ h @ g)
    length = min(radius / g.norm(), g @ g / bend) if bend > 0.0 else radius / g.norm()
    assert model(h, g, v) <= model(h, g, -length * g) + ROUNDING


def test_a_longer_path_is_a_longer_step_and_a_lower_model() -> None:
    """Steihaug 1983, thm. 2.1: what allows to stop at the boundary."""
    h, g = hessian(12), normal(12)
    steps = [solve(h, g, radius=r)[0] for r in (0.1, 0.3, 1.0, 3.0, 10.0, 1e6)]
    norms, models = [float(v.norm()) for v in steps], [model(h, g, v) for v in steps]
    assert norms == sorted(norms)
    assert models == sorted(models, reverse=True)


def test_what_rounding_leaves_off_the_tangent_space_does_not_grow() -> None:
    """There the Hessian may be negative, and one part in 1e10 of a product would end at the boundary."""
    h, g = hessian(8), torch.cat([normal(8), torch.zeros(1, dtype=torch.float64)])

    def product(v: Vector) -> Vector:
        inside, off = v["a"][:8], v["a"][8:]
        return {"a": torch.cat([h @ inside, 1e-10 * inside[:1] - 100.0 * off])}

    def tangent(v: Vector) -> Vector:
        return {"a": torch.cat([v["a"][:8], torch.zeros(1, dtype=torch.float64)])}

    proposal = truncated_cg(product, dot, tangent, {"a": g}, radius=1e6, tolerance=1e-6)
    assert not proposal.at_boundary
    torch.testing.assert_close(proposal.step["a"][:8], -torch.linalg.solve(h, g[:8]), rtol=0, atol=1e-3)
    assert proposal.step["a"][8] == 0.0


@pytest.mark.parametrize(
    ("ratio", "at_boundary", "expected"),
    [
        (-1.0, True, 0.25),
        (0.2, False, 0.25),
        (math.nan, True, 0.25),
        (-math.inf, False, 0.25),
        (0.25, True, 1.0),
        (0.75, True, 1.0),
        (0.76, False, 1.0),
        (0.76, True, 2.0),
        (5.0, True, 2.0),
    ],
)
def test_the_radius_follows_the_models_quality(ratio: float, at_boundary: bool, expected: float) -> None:
    assert resized(1.0, ratio, at_boundary=at_boundary) == expected


def test_the_radius_has_a_limit() -> None:
    assert resized(0.9 * LARGEST_RADIUS, 1.0, at_boundary=True) == LARGEST_RADIUS


def test_a_rejected_step_leaves_the_point_where_it_was() -> None:
    """Between the wells the model only falls: it is believed at a radius of 100 / 4^4, and not before."""
    start = torch.tensor([0.1, -0.1], dtype=torch.float64)
    oracle = PlainOracle(p := problem(lambda x: (x**4 - x**2).sum(), start))
    drive(rtr(p, radius=100.0), oracle, n_steps=5)
    *rejected, accepted = oracle.iterates
    assert all(torch.equal(x, start) for x in rejected)
    assert (accepted - start).norm() == pytest.approx(100.0 / 4**4, rel=ROUNDING)
    assert oracle.asked == ["grad", *["hvp", "grad"] * 5]


def test_a_quadratic_is_solved_in_one_step() -> None:
    h = hessian(6)
    oracle = PlainOracle(p := quadratic(h, normal(6)))
    drive(rtr(p, radius=1e3, reduction=1e-9), oracle, n_steps=1)
    assert oracle.iterates[0].norm() < 1e-6
    assert oracle.asked == ["grad", *["hvp"] * 6, "grad"]


def gradient_norms(case: Case, *, order: float) -> list[float]:
    """Return the Riemannian gradient's norm at every iterate."""
    manifold, norms = product_of(case.problem), []

    class Observant(PlainOracle):
        def tick(self) -> None:
            x = {name: p.detach().clone() for name, p in self.problem.params.items()}
            g = torch.autograd.grad(self.problem.loss(self.problem.model, None), list(self.problem.params.values()))
            g = manifold.gradient(x, dict(zip(x, g, strict=True)))
            norms.append(float(manifold.inner(x, g, g)) ** 0.5)

    drive(rtr(case.problem, order=order), Observant(case.problem, n_calls=300), n_steps=40)
    return norms


@pytest.mark.parametrize("form", [brockett, subspace, rayleigh, inverse])
@pytest.mark.parametrize("order", [0.5, 1.0])
def test_the_order_of_convergence(form: Callable[[], Case], order: float) -> None:
    """|g+| <= c |g|^(1 + order) close to the minimum, which is isolated in its manifold, down to rounding."""
    close = [norm for norm in gradient_norms(form(), order=order) if norm < 0.1]
    falling = [(a, b) for a, b in itertools.pairwise(close) if a > FLOOR]
    assert len(falling) >= 3
    assert all(b <= max(5.0 * a ** (1.0 + order), FLOOR) for a, b in falling)
    assert max(close[len(falling) :]) <= FLOOR  # it stays there
