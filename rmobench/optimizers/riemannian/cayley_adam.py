"""Adam along the Cayley transform."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.geometry.frames import check_frames
from rmobench.optimizers.options import check_switch, checked
from rmobench.optimizers.riemannian.cayley_sgd import cayley_step
from rmobench.optimizers.riemannian.pointwise import State, pointwise
from rmobench.optimizers.riemannian.radam import radam_update, without_zeros
from rmobench.registry import optimizer
from rmobench.types import Log, Manifold, Optimizer, Problem


@optimizer(
    family="riemannian",
    source="Li, Fuxin, Todorovic 2020, ICLR, arXiv 2002.01113, algorithm 2",
    handles=("stiefel",),
    upcasts="float32",
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def cayley_adam(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.99,
    epsilon: float = 1e-8,
    n_iterations: int = 5,
    restore: bool = True,
) -> Optimizer:
    """Step along the Cayley transform of the mean gradient over the root of its mean square.

    The mean square is one number |g|^2 per matrix of the Euclidean gradient, so it does not vanish at a minimum where
    only the tangent part does. Drift and restoration are those of cayley_sgd.

    Args:
        problem: Any; parameters on other manifolds or on none take radam.
        lr: Step length, in units of the tangent norm per norm of the gradient.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added under the root, in units of the squared gradient; to the root where there is no manifold.
        n_iterations: Number of fixed-point iterations, at least 1; 2 in the paper, 5 in its authors' code.
        restore: End with a Newton-Schulz step; False is the paper's algorithm, drift and all.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_switch("cayley_adam", restore=restore)
    rule = checked(
        "cayley_adam",
        partial(cayley_adam_update, restore=restore),
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        n_iterations=n_iterations,
    )
    return pointwise(problem, rule)


def cayley_adam_update(
    manifold: Manifold,
    x: Tensor,
    g: Tensor,
    state: State,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    n_iterations: int,
    restore: bool,
) -> tuple[Tensor, State]:
    """Return the estimate of (I + a W / 2)^-1 (I - a W / 2) x, W x the tangent part of the mean over the root."""
    if not isinstance(manifold, Stiefel):
        return radam_update(manifold, x, g, state, lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon)
    check_frames("cayley_adam", x, g=g)
    square = g.square().sum((-2, -1), keepdim=True)
    n_steps = state["n_steps"] + 1 if state else 1
    mean = torch.lerp(state["mean"], g, 1.0 - beta1) if state else (1.0 - beta1) * g
    square = torch.lerp(state["square"], square, 1.0 - beta2) if state else (1.0 - beta2) * square
    root = without_zeros((square / (1.0 - beta2**n_steps) + epsilon).sqrt(), epsilon)
    scale = 1.0 / (root * (1.0 - beta1**n_steps))
    y, tangent = cayley_step(x, mean, scale, lr=lr, n_iterations=n_iterations, restore=restore)
    return y, {"mean": tangent, "square": square, "n_steps": n_steps}
