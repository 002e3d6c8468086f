"""Riemannian conjugate gradients: on a quadratic, the linear method; elsewhere, when it restarts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN, Product
from rmobench.optimizers.riemannian.curve import Step
from rmobench.optimizers.riemannian.evaluation import Evaluation
from rmobench.optimizers.riemannian.line_search import Sample
from rmobench.optimizers.riemannian.rcg import following, rcg
from tests.optimizers.manifold_problems import brockett
from tests.optimizers.plain_oracle import PlainOracle, drive, hessian, normal, problem, quadratic

EXACT = {"armijo": 1e-12, "curvature": 1e-9}
"""A line search that leaves no slope."""

ROUNDING = 1e-8
"""What the rounding of O(1) numbers grows to in ten steps at a condition number of 100."""

ENDED = 1e-12
"""Share of the loss that counts as rounding, then; the linear method leaves 4e-15."""


def linear_cg(h: Tensor, x: Tensor, n_steps: int) -> Tensor:
    """Return the iterates [n_steps, d] of Hestenes and Stiefel's method for x H x / 2."""
    r = -h @ x
    d, iterates = r, []
    for _ in range(n_steps):
        length = (r @ r) / (d @ h @ d)
        x, after = x + length * d, r - length * h @ d
        d, r = after + (after @ after) / (r @ r) * d, after
        iterates.append(x)
    return torch.stack(iterates)


def test_on_a_quadratic_with_an_exact_line_search_it_is_linear_cg() -> None:
    h, x = hessian(10), normal(10)
    oracle = PlainOracle(p := quadratic(h, x))
    drive(rcg(p, **EXACT), oracle, n_steps=9)
    torch.testing.assert_close(torch.stack(oracle.iterates), linear_cg(h, x, 9), rtol=0, atol=ROUNDING)
    assert len(oracle.asked) == 1 + 2 * 9  # two probes find the minimum along a line


@pytest.mark.parametrize("d", [2, 5, 10])
def test_on_a_quadratic_it_ends_after_as_many_steps_as_dimensions(d: int) -> None:
    h, x = hessian(d), normal(d)
    oracle = PlainOracle(p := quadratic(h, x))
    drive(rcg(p, **EXACT), oracle, n_steps=d)
    before, after = oracle.iterates[-2] if d > 1 else x, oracle.iterates[-1]
    assert after @ h @ after <= ENDED * (x @ h @ x)
    assert before @ h @ before >= 1e-6 * (x @ h @ x)


def test_as_many_steps_as_distinct_eigenvalues_are_enough() -> None:
    """Three eigenvalues in twelve dimensions, spread over a matrix and a vector: the product is one space."""
    weights = torch.tensor([0.1, 0.4, 1.0], dtype=torch.float64)

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return 0.5 * (weights * a**2).sum() + 0.5 * (weights * b**2).sum()

    p = problem(loss, normal(3, 3, seed=1), normal(3, seed=2))
    before = p.loss(p.model, None).item()
    drive(rcg(p, **EXACT), PlainOracle(p), n_steps=3)
    assert p.loss(p.model, None) <= ENDED * before


def test_a_step_costs_about_two_calls_at_the_defaults() -> None:
    oracle = PlainOracle(p := brockett().problem)
    drive(rcg(p), oracle, n_steps=30)
    assert len(oracle.iterates) == 30
    assert len(oracle.asked) <= 1 + 2.1 * 30


def test_a_direction_that_rises_gives_way_to_the_gradients() -> None:
    """At once: no call is spent on it."""
    h = hessian(6)
    oracle = PlainOracle(p := quadratic(h, normal(6)))
    optimizer = rcg(p)
    drive(optimizer, oracle, n_steps=3)
    x, g, d = optimizer.state()
    assert d @ g < 0.0
    d.neg_()
    start, n_asked = x.clone(), len(oracle.asked)
    assert optimizer.step(oracle) is None
    assert torch.cosine_similarity(oracle.points[n_asked] - start, -h @ start, dim=0) > 1.0 - 1e-12
    assert p.loss(p.model, None) < 0.5 * start @ h @ start


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1.0, 0.0), (0.5, 1.0), 1.5),  # <g, y> = 0.75 < <g, g> = 1.25, <d, y> = 0.5: Hestenes and Stiefel's
        ((1.0, 0.0), (-0.5, 1.0), 1.25 / 1.5),  # <g, y> = 1.75 > <g, g> = 1.25, <d, y> = 1.5: at most Dai and Yuan's
        ((1.0, 0.0), (0.5, 0.0), None),  # <g, y> = -0.25 < 0, <d, y> = 0.5: not negative
        ((1.0, 0.0), (1.5, 1.0), None),  # <g, y> = 1.75, <d, y> = -0.5: no curvature along d
    ],
    ids=["hestenes_stiefel", "dai_yuan", "restart", "no curvature"],
)
def test_the_weight_of_the_past(
    before: tuple[float, float], after: tuple[float, float], expected: float | None
) -> None:
    """By hand, with d = (-1, 0) and the numbers spread over two parameters: the product is one space."""

    def vector(x: float, y: float) -> dict[str, Tensor]:
        return {"a": torch.tensor([x], dtype=torch.float64), "b": torch.tensor([y], dtype=torch.float64)}

    def evaluation(gradient: tuple[float, float]) -> Evaluation:
        return Evaluation(point=vector(0.0, 0.0), loss=0.0, rounding=0.0, gradient=vector(*gradient))

    ends = {"start": Sample(0.0, 0.0, -1.0), "end": Sample(2.0, -1.0, -after[0])}
    taken = Step(there=evaluation(after), direction=vector(-1.0, 0.0), **ends)
    got = following(Product({"a": EUCLIDEAN, "b": EUCLIDEAN}), evaluation(before), taken)
    if expected is None:
        assert got.direction is None
    else:
        assert torch.cat([*got.direction.values()]).tolist() == pytest.approx([-after[0] - expected, -after[1]])
    assert (got.here, got.fall) == (taken.there, pytest.approx(2.0 * (-1.0 - after[0])) if after[0] > -1.0 else None)
