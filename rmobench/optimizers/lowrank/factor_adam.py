"""Adam on the factors: how LoRA is trained."""

from __future__ import annotations

import torch

from rmobench.optimizers.lowrank.factorwise import factorwise, groups
from rmobench.optimizers.options import check_options
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem


@optimizer(
    family="lowrank",
    source="Hu et al. 2022, ICLR, arXiv 2106.09685; lr_ratio: Hayou, Ghosh, Yu 2024, ICML, arXiv 2402.12354; "
    "torch.optim.AdamW",
    needs=("low_rank_layers",),
    search={"lr": Log(1e-5, 1.0), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def factor_adam(
    problem: Problem,
    *,
    lr: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    factors: str = "two",
    lr_ratio: float = 1.0,
) -> Optimizer:
    """Step every factor as Adam does, with decoupled weight decay if wanted.

    With two factors it is LoRA-AdamW, and LoRA+ where lr_ratio is not 1.

    Args:
        problem: Parameters outside the low-rank layers are moved alike.
        lr: Step length, in units of the entries of the factors.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the parameters taken away per unit of lr.
        factors: "two": W = B A; "three": W = U S V^T, with nothing that keeps U and V orthonormal.
        lr_ratio: Step length of the left factor (B or U) over that of all others; 16 in LoRA+.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options(
        "factor_adam",
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
        lr_ratio=lr_ratio,
    )
    chosen = groups("factor_adam", problem, factors=factors, lr=lr, lr_ratio=lr_ratio)
    inner = torch.optim.AdamW(chosen, lr=lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)
    return factorwise(problem, inner)
