"""Riemannian L-BFGS: the two loops are the dense recursion, and the pairs stay where they belong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN, Product, Stiefel
from rmobench.optimizers.riemannian.curve import Step
from rmobench.optimizers.riemannian.evaluation import Evaluation
from rmobench.optimizers.riemannian.line_search import Sample
from rmobench.optimizers.riemannian.rlbfgs import Pair, carried, rlbfgs, two_loop
from tests.optimizers.manifold_problems import brockett, point
from tests.optimizers.plain_oracle import PlainOracle, drive, hessian, normal, quadratic

FREE = Product({"a": EUCLIDEAN})

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers."""


def dense_inverse(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return H [d, d] after the BFGS updates of all pairs (s, y) from <s, y> / <y, y> of the last times the identity.

    Source: Nocedal, Wright 2006, Numerical Optimization, 2nd ed., eq. 6.17 and 7.20.
    """
    s, y = pairs[-1]
    eye = torch.eye(len(s), dtype=s.dtype)
    h = (s @ y) / (y @ y) * eye
    for s, y in pairs:
        rho = 1.0 / (s @ y)
        h = (eye - rho * torch.outer(s, y)) @ h @ (eye - rho * torch.outer(y, s)) + rho * torch.outer(s, s)
    return h


def curved_pairs(n: int, d: int) -> list[tuple[Tensor, Tensor]]:
    """Draw steps s, and the gradients' changes H s of a quadratic."""
    return [(s, hessian(d) @ s) for s in (normal(d, seed=10 + k) for k in range(n))]


@pytest.mark.parametrize("n", [1, 2, 7, 15])
def test_two_loops_are_the_dense_recursion(n: int) -> None:
    pairs, g = curved_pairs(n, 8), normal(8, seed=1)
    ours = two_loop(FREE, {"a": normal(8)}, {"a": g}, [Pair({"a": s}, {"a": y}) for s, y in pairs])
    torch.testing.assert_close(ours["a"], dense_inverse(pairs) @ g, rtol=0, atol=1e3 * ROUNDING)


def test_without_pairs_it_is_the_gradient() -> None:
    g = normal(4)
    assert torch.equal(two_loop(FREE, {"a": g}, {"a": g}, [])["a"], g)


@pytest.mark.parametrize("metric", ["embedded", "canonical"])
def test_the_last_pair_meets_the_secant_equation_in_the_metric(metric: str) -> None:
    """H y = s, whatever the others are."""
    manifold = Stiefel(metric=metric)
    x = point(manifold, 7, 3)
    tangents = [{"a": manifold.tangent(x, normal(7, 3, seed=k))} for k in range(6)]
    pairs = [
        Pair(s, {"a": y["a"] + 9.0 * s["a"]}) for s, y in zip(tangents[:3], tangents[3:], strict=True)
    ]  # turned towards s, so that they are curved upwards
    s = two_loop(Product({"a": manifold}), {"a": x}, pairs[-1].y, pairs)["a"]
    torch.testing.assert_close(s, pairs[-1].s["a"], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("history_size", [1, 4, 50])
def test_steps_go_along_the_dense_recursions_direction(history_size: int) -> None:
    """Read off the iterates of a whole run: x+ - x is parallel to -H g, H of the last few pairs."""
    h = hessian(10)
    oracle = PlainOracle(p := quadratic(h, normal(10)))
    drive(rlbfgs(p, history_size=history_size), oracle, n_steps=12)
    x = torch.stack([normal(10), *oracle.iterates])
    g = x @ h
    for k in range(1, 12):
        first = max(0, k - history_size)
        pairs = [(x[j + 1] - x[j], g[j + 1] - g[j]) for j in range(first, k)]
        expected, step = -dense_inverse(pairs) @ g[k], x[k + 1] - x[k]
        assert torch.cosine_similarity(expected, step, dim=0) > 1.0 - 1e-9


def carry(gradient: Tensor, pairs: list[Pair], change: Tensor) -> list[Pair]:
    """Step by (1, 0) in the plane, where the gradient changes by `change` to `gradient`."""
    zero, step = torch.zeros(2, dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    here = Evaluation(point={"a": zero}, loss=0.0, rounding=0.0, gradient={"a": gradient - change})
    there = Evaluation(point={"a": step}, loss=-1.0, rounding=0.0, gradient={"a": gradient})
    at = Sample(0.0, 0.0, -1.0)
    return carried(
        FREE, here, Step(start=at, end=Sample(2.0, -1.0, 0.0), there=there, direction={"a": step / 2}), pairs
    )


@pytest.mark.parametrize(
    ("change", "kept"), [((1.0, 5.0), True), ((1e-3, 0.0), True), ((0.0, 1.0), False), ((-1.0, 0.0), False)]
)
def test_a_pair_without_curvature_is_left_out(change: tuple[float, float], kept: bool) -> None:
    one = torch.ones(2, dtype=torch.float64)
    old = [Pair({"a": one}, {"a": one}), Pair({"a": one}, {"a": -one})]
    pairs = carry(one, old, torch.tensor(change, dtype=torch.float64))
    assert len(pairs) == 1 + kept
    assert torch.equal(pairs[0].y["a"], one)
    if kept:
        assert pairs[1].s["a"].tolist() == [1.0, 0.0]
        assert pairs[1].y["a"].tolist() == pytest.approx(list(change))


def test_curvature_is_measured_against_the_gradient() -> None:
    """Huang, Absil, Gallivan 2018: far from a minimum a flat pair is not trusted, close to it it is."""
    flat = torch.tensor([1e-6, 0.0], dtype=torch.float64)
    assert len(carry(normal(2), [], flat)) == 1
    assert len(carry(1e4 * normal(2), [], flat)) == 0


def test_a_step_costs_about_one_call_at_the_defaults() -> None:
    oracle = PlainOracle(p := brockett().problem)
    drive(rlbfgs(p), oracle, n_steps=30)
    assert len(oracle.iterates) == 30
    assert len(oracle.asked) <= 1 + 1.3 * 30
