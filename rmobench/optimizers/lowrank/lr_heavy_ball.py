"""The heavy ball on the matrices of low rank, its momentum a tangent vector in factors."""

from __future__ import annotations

from functools import partial

from rmobench.optimizers.lowrank.companions import heavy_ball
from rmobench.optimizers.lowrank.factors import Factors, Sides
from rmobench.optimizers.lowrank.layerwise import InThree, over_three
from rmobench.optimizers.lowrank.tangent import Tangent, gradient, move
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475 (reconstructed); retraction and transport: "
    "Vandereycken 2013, SIAM J. Optim. 23(2)",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={"lr": Log(1e-4, 10.0), "momentum": Linear(0.0, 0.99), "theta": Choice((0.0, 1e-3, 1e-2, 1e-1))},
)
def lr_heavy_ball(problem: Problem, *, lr: float = 0.1, momentum: float = 0.9, theta: float = 0.0) -> Optimizer:
    """Step from W by -lr Z, Z = gradient + momentum times the past Z carried along, and cut back to the rank.

    The iterates are those of the Riemannian heavy ball with retraction by singular values and transport by projection,
    at memory (m + n) r + r^2 instead of m n. The gradient is not scaled by 1 - momentum.

    Args:
        problem: Parameters outside the low-rank layers take the heavy ball with the same options.
        lr: Step length, in units of W per unit of gradient.
        momentum: Weight of the past, in [0, 1).
        theta: After a step as many singular values go as have together at most this share of the norm of all, so that
            the rank adapts; at most the layer's rank stays. 0: always that rank.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return over_three(problem, lr_heavy_ball_method(lr=lr, momentum=momentum, theta=theta))


def lr_heavy_ball_method(*, lr: float, momentum: float, theta: float) -> InThree:
    """Return what a step is; raise ArgumentError for an option that is not in its range."""
    check_options("lr_heavy_ball", lr=lr, momentum=momentum, theta=theta)
    rule = partial(lr_heavy_ball_update, lr=lr, momentum=momentum, theta=theta)
    return InThree(rule, heavy_ball(lr=lr, momentum=momentum))


def lr_heavy_ball_update(
    W: Factors, G: Sides, state: State, most: int, *, lr: float, momentum: float, theta: float
) -> tuple[Factors, State]:
    """Return the next factors, and Z on their tangent space."""
    Z = gradient(W, G)
    if state:
        Z = Z + Tangent(*state["momentum"]) * momentum
    step = move(W, Z, -lr, tolerance=theta, most=most)
    return step.Y, {"momentum": step.carried().parts} if momentum else {}
