"""The heavy ball on the factors."""

from __future__ import annotations

import torch

from rmobench.optimizers.lowrank.factorwise import factorwise, groups
from rmobench.optimizers.options import check_options
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Polyak 1964, USSR Comput. Math. Math. Phys. 4(5), on LoRA's factors; torch.optim.SGD with momentum",
    needs=("low_rank_layers",),
    search={"lr": Log(1e-4, 10.0), "momentum": Linear(0.0, 0.99)},
)
def factor_heavy_ball(
    problem: Problem,
    *,
    lr: float = 0.1,
    momentum: float = 0.9,
    factors: str = "two",
    lr_ratio: float = 1.0,
) -> Optimizer:
    """Step every factor along the decayed sum of its own gradients.

    In terms of W = B A the metric is distorted by the factors, and the velocity brings a term 2 B' A' that depends on
    how W is split.

    Args:
        problem: Parameters outside the low-rank layers are moved alike.
        lr: Step length, in units of a factor per unit of its gradient.
        momentum: Weight of the past, in [0, 1).
        factors: "two": W = B A; "three": W = U S V^T, with nothing that keeps U and V orthonormal.
        lr_ratio: Step length of the left factor (B or U) over that of all others; 16 in LoRA+.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("factor_heavy_ball", lr=lr, momentum=momentum, lr_ratio=lr_ratio)
    chosen = groups("factor_heavy_ball", problem, factors=factors, lr=lr, lr_ratio=lr_ratio)
    return factorwise(problem, torch.optim.SGD(chosen, lr=lr, momentum=momentum))
