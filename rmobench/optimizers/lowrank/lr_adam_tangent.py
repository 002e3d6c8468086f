"""Adam on the matrices of low rank: a tangent first moment in factors, one number as the second."""

from __future__ import annotations

from functools import partial

import torch

from rmobench.optimizers.lowrank.companions import AdamW
from rmobench.optimizers.lowrank.factors import Factors, Sides
from rmobench.optimizers.lowrank.layerwise import InThree, over_three
from rmobench.optimizers.lowrank.tangent import Tangent, gradient, move
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import State
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475 (reconstructed); one second moment per "
    "matrix: Becigneul, Ganea 2019, ICLR, arXiv 1810.00760",
    needs=("low_rank_layers",),
    upcasts="float32",
    search={
        "lr": Log(1e-4, 10.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "companion_lr": Log(1e-5, 1.0),
    },
)
def lr_adam_tangent(
    problem: Problem,
    *,
    lr: float = 0.1,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    theta: float = 0.0,
    companion_lr: float = 1e-3,
) -> Optimizer:
    """Step along the carried mean of the Riemannian gradient over the root of its mean square length.

    The second moment is that of the whole matrix, since one per entry would leave the tangent space; a step has about
    the length lr in the Frobenius norm of W, where Adam's has lr sqrt(m n).

    Args:
        problem: Parameters outside the low-rank layers take Adam.
        lr: Step length, in units of the norm of W.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient's norm.
        theta: Share of the singular values' norm that may be cut at a step; 0: the rank stays.
        companion_lr: Adam's step length.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    method = lr_adam_tangent_method(
        lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, theta=theta, companion_lr=companion_lr
    )
    return over_three(problem, method)


def lr_adam_tangent_method(
    *, lr: float, beta1: float, beta2: float, epsilon: float, theta: float, companion_lr: float
) -> InThree:
    """Return what a step is; raise ArgumentError for an option that is not in its range."""
    check_options("lr_adam_tangent", lr=lr, theta=theta, companion_lr=companion_lr)
    rule = partial(lr_adam_tangent_update, lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, theta=theta)
    companion = AdamW(lr=companion_lr, beta1=beta1, beta2=beta2, epsilon=epsilon).check("lr_adam_tangent")
    return InThree(rule, companion.rule)


def lr_adam_tangent_update(
    W: Factors,
    G: Sides,
    state: State,
    most: int,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    theta: float,
) -> tuple[Factors, State]:
    """Return the next factors, the mean on their tangent space, and the mean square."""
    Z = gradient(W, G)
    n_steps = state["n_steps"] + 1 if state else 1
    square, mean = (1.0 - beta2) * Z.square(), Z * (1.0 - beta1)
    if state:
        square, mean = square + beta2 * state["square"], mean + Tangent(*state["mean"]) * beta1
    root = (square / (1.0 - beta2**n_steps)).sqrt() + epsilon
    length = torch.where(root > 0.0, lr / (1.0 - beta1**n_steps) / root, 0.0)  # no gradient, no step
    step = move(W, mean, -length, tolerance=theta, most=most)
    return step.Y, {"mean": step.carried().parts, "square": square, "n_steps": n_steps}
