"""The Riemannian trust region method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Product
from rmobench.optimizers.riemannian.evaluation import (
    Evaluation,
    Vector,
    ambient_gradient,
    evaluate,
    move,
    plus,
    product_of,
    scaled,
)
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Oracle, Problem

LARGEST_RADIUS = 1000.0
"""As of trust_ncg."""


@dataclass(frozen=True, slots=True)
class Iterate:
    """Where the method is."""

    here: Evaluation
    ambient: Vector  # the Euclidean gradient
    radius: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tangent step and the Hessian's product with it."""

    step: Vector
    product: Vector
    at_boundary: bool


@optimizer(
    family="riemannian",
    source="Absil, Baker, Gallivan 2007, Found. Comput. Math. 7(3); inner iteration: Steihaug 1983, SIAM J. Numer. "
    "Anal. 20(3)",
    needs=("deterministic", "second_order"),
    handles=("fixedrank", "grassmann", "spd", "sphere", "stiefel"),
    upcasts="float32",
    search={
        "radius": Log(1e-2, 1e2),
        "acceptance": Linear(0.0, 0.24),
        "reduction": Log(1e-2, 0.5),
        "order": Linear(0.1, 1.0),
    },
)
def rtr(
    problem: Problem, *, radius: float = 1.0, acceptance: float = 0.1, reduction: float = 0.1, order: float = 0.5
) -> Optimizer:
    """Step to the minimum of the quadratic model in a ball of the tangent space, found by conjugate gradients.

    One iterate is one trial step; a rejected one leaves the point where it was. An inner iteration is a Hessian-vector
    product; the last one leaves a residual of at most |g| min(reduction, (|g| / |g at the start|)^order), which makes
    the method one of order 1 + order near a minimum with a regular Hessian. Where it is singular, as along rotations of
    a frame that leave the loss as it is, order = 1 asks for more digits than the model has. The method ends by itself
    where the gradient is zero or the model predicts no decrease.

    Args:
        problem: A deterministic one; all parameters are one point of a product, those without a manifold Euclidean.
        radius: Radius of the ball at the start, in units of the tangent norm, in (0, 1000]; 1000 is the largest ever.
        acceptance: Share of the predicted decrease that a step must bring, in [0, 0.25).
        reduction: kappa, the part of the residual that the inner iteration may leave, in (0, 1).
        order: theta, by how much the order of convergence exceeds 1, in (0, 1].

    Raises:
        ArgumentError: A number out of its range.
    """
    if not 0.0 < radius <= LARGEST_RADIUS:
        raise ArgumentError(f"rtr: got radius={radius}, expected 0 < radius <= {LARGEST_RADIUS:g}.")
    check_shares("rtr", acceptance=acceptance, reduction=reduction, order=order)
    manifold = product_of(problem)
    at: Iterate | None = None
    norm_at_start = 0.0

    @torch.no_grad()
    def step(oracle: Oracle) -> str | None:
        nonlocal at, norm_at_start
        now = at or Iterate(evaluate(problem, manifold, oracle), ambient_gradient(problem), radius)
        x, g = now.here.point, now.here.gradient

        def inner(u: Vector, v: Vector) -> float:
            return float(manifold.inner(x, u, v))

        def hessian(v: Vector) -> Vector:
            return manifold.hessian(x, now.ambient, oracle.hvp(v), v)

        def tangent(v: Vector) -> Vector:
            return manifold.tangent(x, v)

        norm = math.sqrt(inner(g, g))
        if norm == 0.0:
            return "the gradient is zero"
        norm_at_start = norm_at_start or norm
        tolerance = norm * min(reduction, (norm / norm_at_start) ** order)
        proposal = truncated_cg(hessian, inner, tangent, g, radius=now.radius, tolerance=tolerance)
        predicted = -inner(g, proposal.step) - 0.5 * inner(proposal.step, proposal.product)
        if not predicted > 0.0:
            return "the model predicts no decrease"
        at = tried(problem, manifold, oracle, now, proposal, predicted=predicted, acceptance=acceptance)
        return None

    def state() -> Iterable[Tensor]:
        return tensors_in((at.here.point, at.here.gradient, at.ambient) if at is not None else ())

    return Optimizer(step, state=state)


def check_shares(owner: str, *, acceptance: float, reduction: float, order: float) -> None:
    """Raise ArgumentError unless the numbers make a trust region method, of superlinear convergence."""
    if not (0.0 <= acceptance < 0.25 and 0.0 < reduction < 1.0 and 0.0 < order <= 1.0):
        raise ArgumentError(
            f"{owner}: got acceptance={acceptance}, reduction={reduction}, order={order}; expected "
            "0 <= acceptance < 0.25, 0 < reduction < 1 and 0 < order <= 1."
        )


def tried(
    problem: Problem,
    manifold: Product,
    oracle: Oracle,
    now: Iterate,
    proposal: Proposal,
    *,
    predicted: float,
    acceptance: float,
) -> Iterate:
    """Evaluate a proposal, and return the next iterate with its radius; the parameters end there, whatever happens."""
    after = now
    move(problem, manifold.retract(now.here.point, proposal.step))
    try:
        there = evaluate(problem, manifold, oracle)
        ratio = decrease(manifold, now.here, proposal.step, there) / predicted  # rho
        if ratio > acceptance:
            after = Iterate(there, ambient_gradient(problem), now.radius)
    finally:
        move(problem, after.here.point)
    return replace(after, radius=resized(now.radius, ratio, at_boundary=proposal.at_boundary))


def decrease(manifold: Product, here: Evaluation, v: Vector, there: Evaluation) -> float:
    """Return by how much the loss has fallen along v: where losses differ by rounding only, as the slopes have it.

    The trapezoidal rule is exact on a quadratic, and as accurate as gradients are.
    """
    fallen = here.loss - there.loss
    if not abs(fallen) <= here.rounding:
        return fallen
    x, y = here.point, there.point
    slopes = manifold.inner(x, here.gradient, v) + manifold.inner(y, there.gradient, manifold.transport(x, y, v))
    return -0.5 * float(slopes)


def resized(radius: float, ratio: float, *, at_boundary: bool) -> float:
    """Return the next radius: a quarter where the model was bad or the loss not finite, twice where it was too small.

    Source: Absil, Baker, Gallivan 2007, alg. 1.
    """
    if not ratio >= 0.25:
        return radius / 4.0
    return min(2.0 * radius, LARGEST_RADIUS) if ratio > 0.75 and at_boundary else radius


def truncated_cg(
    hessian: Callable[[Vector], Vector],
    inner: Callable[[Vector, Vector], float],
    tangent: Callable[[Vector], Vector],
    gradient: Vector,
    *,
    radius: float,
    tolerance: float,
) -> Proposal:
    """Minimise <g, v> + <v, H v> / 2 over |v| <= radius by conjugate gradients from v = 0.

    They end at a residual of at most `tolerance`, at the boundary, along a direction of no positive curvature at the
    boundary, or after as many products as there are numbers in a vector. Residuals are projected: what rounding leaves
    off the tangent space, where the Hessian may be negative, would grow from one iteration to the next.

    Source: Steihaug 1983; Absil, Baker, Gallivan 2007, alg. 2.
    """
    v = product = scaled(0.0, gradient)  # v, H v
    r = tangent(gradient)  # the residual g + H v
    d = scaled(-1.0, r)  # the direction
    rr = dd = inner(r, r)
    vv = vd = 0.0
    for _ in range(sum(part.numel() for part in gradient.values())):
        hd = hessian(d)
        bend = inner(d, hd)
        length = rr / bend if bend > 0.0 else math.inf
        ahead = vv + length * (2.0 * vd + length * dd)  # |v + length d|^2
        if not ahead < radius * radius:
            length = (math.sqrt(vd * vd + dd * (radius * radius - vv)) - vd) / dd
            return Proposal(plus(v, length, d), plus(product, length, hd), at_boundary=True)
        v, product, r = plus(v, length, d), plus(product, length, hd), tangent(plus(r, length, hd))
        before, rr = rr, inner(r, r)
        if math.sqrt(rr) <= tolerance:
            break
        share = rr / before
        vv, vd, dd = ahead, share * (vd + length * dd), rr + share * share * dd
        d = plus(scaled(-1.0, r), share, d)
    return Proposal(v, product, at_boundary=False)
