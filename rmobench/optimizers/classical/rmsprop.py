"""RMSprop."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Tieleman, Hinton 2012, Coursera: Neural Networks for Machine Learning, lecture 6.5; torch.optim.RMSprop",
    search={"lr": Log(1e-4, 1.0), "decay": Log(0.9, 0.9999), "momentum": Linear(0.0, 0.99)},
)
def rmsprop(
    problem: Problem, *, lr: float = 0.01, decay: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0
) -> Optimizer:
    """Step along the gradient over the root of its mean square, which starts from zero uncorrected.

    Args:
        problem: Any.
        lr: Step length, in units of the parameters.
        decay: Decay of the mean square of the gradient, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        momentum: Weight of the past steps, in [0, 1).
    """
    parameters = problem.params.values()
    return from_torch(torch.optim.RMSprop(parameters, lr=lr, alpha=decay, eps=epsilon, momentum=momentum))
