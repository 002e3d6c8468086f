"""Momentum along the Cayley transform, by fixed-point iteration."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames, polished
from rmobench.geometry.matrices import identity
from rmobench.optimizers.options import check_switch, checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Manifold, Optimizer, Problem

CONTRACTION = 0.5
"""The paper's q: the step is at most 2 q / |W|, so that every iteration divides the error by 1 / q or more."""


@optimizer(
    family="riemannian",
    source="Li, Fuxin, Todorovic 2020, ICLR, arXiv 2002.01113, algorithm 1",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0), "momentum": Linear(0.0, 0.99)},
)
def cayley_sgd(
    problem: Problem, *, lr: float = 0.1, momentum: float = 0.9, n_iterations: int = 5, restore: bool = True
) -> Optimizer:
    """Step along the Cayley transform of the momentum, estimated by a few iterations.

    The momentum is a sum of Euclidean gradients whose tangent part is kept. With A = lr W / 2, s iterations give
    I + 2 A + ... + 2 A^(s+1) for (I - A)^-1 (I + A): a step moves x^T x by some 4 |A|^(s+2) for even s, 4 |A|^(s+3) for
    odd s, always to the same side, so that the drift adds up and nothing brings it back. The paper's algorithm has
    s = 2 and leaves it at that; its authors' code has s = 5, normalises every column at each step and takes a QR factor
    at one random step in a hundred. Here one Newton-Schulz step restores the point, which squares the error.

    Args:
        problem: Any; parameters on other manifolds or on none take rsgd.
        lr: Step length, in units of the tangent vector per unit of gradient; at most 1 / |W| with the Frobenius norm.
        momentum: Weight of the past, in [0, 1).
        n_iterations: Number s of fixed-point iterations, at least 1.
        restore: End with a Newton-Schulz step; False is the paper's algorithm, drift and all.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_switch("cayley_sgd", restore=restore)
    update = partial(cayley_sgd_update, restore=restore)
    rule = checked("cayley_sgd", update, lr=lr, momentum=momentum, n_iterations=n_iterations)
    return pointwise(problem, rule)


def cayley_sgd_update(
    manifold: Manifold,
    x: Tensor,
    g: Tensor,
    state: State,
    *,
    lr: float,
    momentum: float,
    n_iterations: int,
    restore: bool,
) -> tuple[Tensor, State]:
    """Return the estimate of (I + a W / 2)^-1 (I - a W / 2) x with W x the tangent part of the momentum."""
    if not isinstance(manifold, Stiefel):
        return rsgd_update(manifold, x, g, state, lr=lr, momentum=momentum)
    check_frames("cayley_sgd", x, g=g)
    m = g + momentum * state["momentum"] if "momentum" in state else g
    y, tangent = cayley_step(x, m, 1.0, lr=lr, n_iterations=n_iterations, restore=restore)
    return y, {"momentum": tangent} if momentum else {}


def cayley_step(
    x: Tensor, m: Tensor, scale: Tensor | float, *, lr: float, n_iterations: int, restore: bool
) -> tuple[Tensor, Tensor]:
    """Iterate y = x - a / 2 scale W (x + y) from y = x - a scale W x.

    W = h - h^T with h = m x^T - x (x^T m x^T) / 2 = b x^T and b = m - x (x^T m) / 2, never formed: W z = b (x^T z) -
    x (b^T z) stays in the span of x and b, so that the iteration runs on the coefficients y = x + b u + x w, [p, p].

    Args:
        x: Point [..., n, p].
        m: Ambient direction of ascent, [..., n, p].
        scale: Factor of W, [..., 1, 1].
        lr: Step length a wanted; taken is at most 2 CONTRACTION / |scale W|.
        n_iterations: How often.
        restore: End with a Newton-Schulz step.

    Returns:
        The estimate y, and W x, both [..., n, p].
    """
    b = m - 0.5 * (x @ (x.mT @ m))
    gram, cross, square = x.mT @ x, x.mT @ b, b.mT @ b
    norm = (2.0 * (square * gram - cross * cross.mT).sum((-2, -1), keepdim=True)).clamp_min(0.0).sqrt()
    step = (2.0 * CONTRACTION / (scale * norm + _TINY)).clamp(max=lr)
    half = 0.5 * step * scale
    u, w = -2.0 * half * gram, 2.0 * half * cross.mT
    twice = 2.0 * identity(gram)
    for _ in range(n_iterations):
        u, w = -half * (gram @ (twice + w) + cross @ u), half * (cross.mT @ (twice + w) + square @ u)
    y = x + b @ u + x @ w
    return polished(y) if restore else y, b @ gram - x @ cross.mT


_TINY = 1e-8
"""The paper's epsilon, added to |W|."""
