"""Riemannian limited-memory BFGS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Product
from rmobench.optimizers.riemannian.curve import Step, follow
from rmobench.optimizers.riemannian.evaluation import Evaluation, Vector, evaluate, plus, product_of, scaled
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Oracle, Problem

CAUTION = 1e-8
"""A pair is kept if its curvature <s, y> / <s, s> is above this share of the gradient's norm."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A step s and the change y of the gradient along it, both tangent at the current point."""

    s: Vector
    y: Vector


@optimizer(
    family="riemannian",
    source="Huang, Gallivan, Absil 2015, SIAM J. Optim. 25(3); cautious update: Huang, Absil, Gallivan 2018, SIAM J. "
    "Optim. 28(1); Nocedal, Wright 2006, Numerical Optimization, 2nd ed., alg. 7.4",
    needs=("deterministic",),
    handles=("fixedrank", "grassmann", "spd", "sphere", "stiefel"),
    upcasts="float32",
    search={"history_size": Choice((3, 5, 10, 20, 50)), "armijo": Log(1e-5, 1e-2), "curvature": Linear(0.1, 0.95)},
)
def rlbfgs(problem: Problem, *, history_size: int = 10, armijo: float = 1e-4, curvature: float = 0.9) -> Optimizer:
    """Step along the quasi-Newton direction of the last few pairs, as far as a strong Wolfe line search says.

    The pairs move along with the point. Where nothing lower is found along the direction they are dropped and the step
    is against the gradient; where nothing lower is found there either, the method ends by itself.

    Args:
        problem: A deterministic one; all parameters are one point of a product, those without a manifold Euclidean.
        history_size: Pairs (s, y) to keep, two vectors each.
        armijo: Share c1 of the predicted decrease that a step must bring, 0 < c1 < c2.
        curvature: Share c2 of the slope that may be left after it, c1 < c2 < 1.

    Raises:
        ArgumentError: A number out of its range.
    """
    if history_size < 1 or not 0.0 < armijo < curvature < 1.0:
        raise ArgumentError(
            f"rlbfgs: got history_size={history_size}, armijo={armijo}, curvature={curvature}; expected a history of "
            "at least 1 and 0 < armijo < curvature < 1."
        )
    manifold = product_of(problem)
    here: Evaluation | None = None
    pairs: list[Pair] = []  # the oldest first

    @torch.no_grad()
    def step(oracle: Oracle) -> str | None:
        nonlocal here, pairs
        here = here or evaluate(problem, manifold, oracle)
        for known in [pairs, []] if pairs else [[]]:
            taken = follow(
                problem,
                manifold,
                oracle,
                here,
                scaled(-1.0, two_loop(manifold, here.point, here.gradient, known)),
                first=newton_length if known else unit_length,
                armijo=armijo,
                curvature=curvature,
            )
            if taken is not None:
                pairs = carried(manifold, here, taken, known)[-history_size:]
                here = taken.there
                return None
        return "nothing lower is found along the gradient"

    def state() -> Iterable[Tensor]:
        kept = [part for p in pairs for part in (p.s, p.y)]
        return tensors_in([here.point, here.gradient, *kept] if here is not None else ())

    return Optimizer(step, state=state)


def two_loop(manifold: Product, x: Vector, gradient: Vector, pairs: Sequence[Pair]) -> Vector:
    """Return the inverse BFGS matrix times the gradient; the matrix starts from <s, y> / <y, y> of the last pair.

    Source: Nocedal, Wright 2006, alg. 7.4 and eq. 7.20.
    """
    shares: list[float] = []
    curvatures = [float(manifold.inner(x, p.s, p.y)) for p in pairs]
    r = gradient
    for p, sy in zip(reversed(pairs), reversed(curvatures), strict=True):
        shares.append(float(manifold.inner(x, p.s, r)) / sy)
        r = plus(r, -shares[-1], p.y)
    if pairs:
        r = scaled(curvatures[-1] / float(manifold.inner(x, pairs[-1].y, pairs[-1].y)), r)
    for p, sy, share in zip(pairs, curvatures, reversed(shares), strict=True):
        r = plus(r, share - float(manifold.inner(x, p.y, r)) / sy, p.s)
    return r


def carried(manifold: Product, here: Evaluation, taken: Step, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs at the point that a step has reached, its own last; those without curvature are left out."""
    x, y, g = here.point, taken.there.point, taken.there.gradient
    old = [Pair(manifold.transport(x, y, p.s), manifold.transport(x, y, p.y)) for p in pairs]
    new = Pair(scaled(taken.end.length, taken.direction), plus(g, -1.0, manifold.transport(x, y, here.gradient)))
    least = CAUTION * manifold.inner(y, g, g).sqrt()
    return [p for p in [*old, new] if manifold.inner(y, p.s, p.y) > least * manifold.inner(y, p.s, p.s)]


def newton_length(slope: float) -> float:
    """Return 1: a quasi-Newton direction knows its length."""
    return 1.0


def unit_length(slope: float) -> float:
    """Return the length of a step of norm 1 against a gradient g, given its slope -<g, g>."""
    return float((-slope) ** -0.5)
