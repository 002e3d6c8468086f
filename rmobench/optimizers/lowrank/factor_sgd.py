"""Gradient descent on the factors."""

from __future__ import annotations

import torch

from rmobench.optimizers.lowrank.factorwise import factorwise, groups
from rmobench.optimizers.options import check_options
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Hu et al. 2022, ICLR, arXiv 2106.09685 (two factors); torch.optim.SGD",
    needs=("low_rank_layers",),
    search={"lr": Log(1e-4, 10.0)},
)
def factor_sgd(problem: Problem, *, lr: float = 0.1, factors: str = "two", lr_ratio: float = 1.0) -> Optimizer:
    """Step every factor along its own gradient.

    Args:
        problem: Parameters outside the low-rank layers are moved alike.
        lr: Step length, in units of a factor per unit of its gradient.
        factors: "two": W = B A; "three": W = U S V^T, with nothing that keeps U and V orthonormal.
        lr_ratio: Step length of the left factor (B or U) over that of all others; 16 in LoRA+.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("factor_sgd", lr=lr, lr_ratio=lr_ratio)
    chosen = groups("factor_sgd", problem, factors=factors, lr=lr, lr_ratio=lr_ratio)
    return factorwise(problem, torch.optim.SGD(chosen, lr=lr))
