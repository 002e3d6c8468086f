"""Gradient descent with Polyak's momentum."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Polyak 1964, USSR Comput. Math. Math. Phys. 4(5); torch.optim.SGD with momentum",
    search={"lr": Log(1e-6, 1.0), "momentum": Linear(0.0, 0.99)},
)
def heavy_ball(problem: Problem, *, lr: float = 1e-3, momentum: float = 0.9) -> Optimizer:
    """Step along the decayed sum of gradients: v <- momentum v + g, x <- x - lr v.

    The gradient is not scaled by 1 - momentum, so a steady gradient moves x by lr / (1 - momentum) of it per step.

    Args:
        problem: Any.
        lr: Step length of a fresh gradient, in units of the parameters per unit of the gradient.
        momentum: Weight of the past, in [0, 1).
    """
    return from_torch(torch.optim.SGD(problem.params.values(), lr=lr, momentum=momentum))
