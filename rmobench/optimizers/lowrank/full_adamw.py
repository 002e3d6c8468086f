"""Full fine-tuning: AdamW on the matrices that low-rank layers stand for."""

from __future__ import annotations

import torch

from rmobench.models.low_rank_linear import merge_low_rank
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Loshchilov, Hutter 2019, ICLR, arXiv 1711.05101; torch.optim.AdamW",
    needs=("low_rank_layers",),
    search={"lr": Log(1e-6, 1e-1), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def full_adamw(
    problem: Problem,
    *,
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Free the whole matrix of every low-rank layer and step it as Adam does: what a budget of parameters gives away.

    It trains m n numbers where the other methods of this family train (m + n) r, and keeps twice as many; its record
    says so. A layer without a frozen matrix stays in its factors.

    Args:
        problem: Its low-rank layers become dense ones at once, each as it was; parameters outside are moved alike.
        lr: Step length, in units of the entries.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the parameters taken away per unit of lr.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("full_adamw", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay)
    merge_low_rank(problem.model)
    params = list(problem.params.values())
    return from_torch(torch.optim.AdamW(params, lr=lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay))
