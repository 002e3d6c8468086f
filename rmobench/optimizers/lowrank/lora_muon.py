"""Muon on the factors of low-rank layers."""

from __future__ import annotations

import torch

from rmobench.optimizers.lowrank.layerwise import into_two_factors
from rmobench.optimizers.lowrank.watching import found
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Choice, Linear, Log, Optimizer, Oracle, Problem


@optimizer(
    family="lowrank",
    source="Jordan et al. 2024, kellerjordan.github.io/posts/muon; step length: Liu et al. 2025, arXiv 2502.16982; "
    "torch.optim.Muon",
    needs=("low_rank_layers",),
    search={
        "lr": Log(1e-5, 1.0),
        "momentum": Linear(0.0, 0.99),
        "weight_decay": Choice((0.0, 1e-3, 1e-2, 1e-1)),
        "companion_lr": Log(1e-5, 1.0),
    },
)
def lora_muon(
    problem: Problem,
    *,
    lr: float = 0.01,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
    companion_lr: float = 1e-3,
) -> Optimizer:
    """Step B and A along the nearest semi-orthogonal matrices of their Nesterov momenta; AdamW takes the rest.

    A factor [m, r] moves by 0.2 lr sqrt(max(m, r)) times a matrix whose singular values are near 1: entries move about
    as Adam's do, and the same for a factor as for its transpose. torch orthogonalises in bfloat16 at every precision.

    Args:
        problem: Parameters outside the low-rank layers take AdamW.
        lr: Step length, in units of Adam's on the entries of the factors.
        momentum: Weight of the past, in [0, 1).
        weight_decay: Share of every parameter taken away per unit of its lr.
        companion_lr: AdamW's step length.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("lora_muon", lr=lr, momentum=momentum, weight_decay=weight_decay, companion_lr=companion_lr)
    factors = [p for layer in into_two_factors(problem).values() for p in (layer.U, layer.V)]
    own = {id(p) for p in factors}
    others = [p for p in problem.params.values() if id(p) not in own]
    inners: list[torch.optim.Optimizer] = []
    if factors:
        inners.append(
            torch.optim.Muon(
                factors, lr=lr, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    if others:
        inners.append(torch.optim.AdamW(others, lr=companion_lr, weight_decay=weight_decay))

    def step(oracle: Oracle) -> None:
        oracle()
        for inner in inners:
            inner.step()

    return Optimizer(step, state=lambda: tensors_in([inner.state for inner in inners]), diagnostics=found(problem).rank)
