"""Adam."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Kingma, Ba 2015, ICLR, arXiv 1412.6980; torch.optim.Adam",
    search={"lr": Log(1e-4, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def adam(
    problem: Problem, *, lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Step along the bias-corrected mean gradient over the root of its mean square.

    Args:
        problem: Any.
        lr: Step length, in units of the parameters.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
    """
    return from_torch(torch.optim.Adam(problem.params.values(), lr=lr, betas=(beta1, beta2), eps=epsilon))
