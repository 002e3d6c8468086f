"""Riemannian Adam."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN
from rmobench.optimizers.options import checked
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.registry import optimizer
from rmobench.types import Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Becigneul, Ganea 2019, ICLR, arXiv 1810.00760, with the bias correction of Kingma, Ba 2015",
    version=2,
    handles=("sphere", "stiefel", "grassmann", "spd"),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def radam(
    problem: Problem, *, lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Step along the transported mean gradient over the root of its mean square length.

    The mean square is one number <g, g> per matrix (per vector on the sphere), as an elementwise one would leave the
    tangent space. A parameter without a manifold is a product of real lines, one per entry: there the rule is Adam.

    Args:
        problem: Any; parameters without a manifold are Euclidean.
        lr: Step length, in units of the tangent norm; of the entries where there is no manifold.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient; at zero, what has never had a gradient stays.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    return pointwise(problem, checked("radam", radam_update, lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon))


def radam_update(
    manifold: Manifold, x: Tensor, g: Tensor, state: State, *, lr: float, beta1: float, beta2: float, epsilon: float
) -> tuple[Tensor, State]:
    """Return R(x, -lr m / (root of s + epsilon)) with the bias-corrected means m of grad and s of <grad, grad>."""
    g = manifold.gradient(x, g)
    square = g * g if manifold == EUCLIDEAN else manifold.inner(x, g, g)
    n_steps = state["n_steps"] + 1 if state else 1
    mean = torch.lerp(state["mean"], g, 1.0 - beta1) if state else (1.0 - beta1) * g
    square = torch.lerp(state["square"], square, 1.0 - beta2) if state else (1.0 - beta2) * square
    root = without_zeros((square / (1.0 - beta2**n_steps)).sqrt() + epsilon, epsilon)
    y = manifold.retract(x, mean * (-lr / (1.0 - beta1**n_steps) / root))  # the division is by one number per point
    return y, {"mean": manifold.transport(x, y, mean), "square": square, "n_steps": n_steps}


def without_zeros(divisor: Tensor, epsilon: float) -> Tensor:
    """Return the divisor with infinity for zero, which it holds for want of an epsilon: zero over that is no step."""
    kept = epsilon >= torch.finfo(divisor.dtype).tiny
    return divisor if kept else divisor.masked_fill(divisor == 0.0, math.inf)
