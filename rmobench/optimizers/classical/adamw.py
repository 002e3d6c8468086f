"""Adam with decoupled weight decay."""

from __future__ import annotations

import torch

from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="classical",
    source="Loshchilov, Hutter 2019, ICLR, arXiv 1711.05101; torch.optim.AdamW",
    search={
        "lr": Log(1e-4, 1.0),
        "beta1": Log(0.5, 0.99),
        "beta2": Log(0.9, 0.9999),
        "weight_decay": Log(1e-6, 1e-1),
    },
)
def adamw(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Shrink the parameters, then step as Adam does.

    The decay pulls towards zero with lr * weight_decay whatever the gradient, so the point of rest is not the minimum
    of a task unless that is zero. Set it to 0.0 and the rule is Adam.

    Args:
        problem: Any.
        lr: Step length, in units of the parameters.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the parameters taken away per unit of lr.
    """
    betas = (beta1, beta2)
    parameters = problem.params.values()
    return from_torch(torch.optim.AdamW(parameters, lr=lr, betas=betas, eps=epsilon, weight_decay=weight_decay))
