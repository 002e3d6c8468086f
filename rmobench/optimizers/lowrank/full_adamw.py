"""AdamW on whole matrices in the place of low-rank layers: what adapters are measured against."""

from __future__ import annotations

import torch

from rmobench.errors import ArgumentError, UnfitError
from rmobench.models.low_rank_linear import low_rank_layers, merge_low_rank
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem

SCOPES = ("all", "layers")


@optimizer(
    family="lowrank",
    source="Loshchilov, Hutter 2019, ICLR, arXiv 1711.05101; torch.optim.AdamW",
    needs=("adapters",),
    search={"lr": Log(1e-6, 1e-1), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
)
def full_adamw(
    problem: Problem,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    scope: str = "all",
) -> Optimizer:
    """Give every low-rank layer's matrix back to the layer below, free that, and step as Adam does: full fine-tuning.

    Args:
        problem: A network with low-rank layers on frozen linear ones.
        lr: Step length, in units of the entries.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the parameters taken away per unit of lr.
        scope: "all": every parameter of the network is free; "layers": the weights of the layers that had an adapter,
            and what was free already.

    Raises:
        ArgumentError: An option that is not in its range.
        UnfitError: There is no low-rank layer.
    """
    check_options("full_adamw", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay)
    if scope not in SCOPES:
        raise ArgumentError(f"full_adamw: got scope={scope!r}, expected one of {', '.join(SCOPES)}.")
    check_adapters("full_adamw", problem)
    merge_low_rank(problem.model)
    if scope == "all":
        problem.model.requires_grad_(True)
    free = list(problem.params.values())
    return from_torch(torch.optim.AdamW(free, lr=lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay))


def check_adapters(owner: str, problem: Problem) -> None:
    """Say that a problem has no adapters, or adapters on nothing.

    Args:
        owner: Whose problem it is, as the message begins.
        problem: Its layers.

    Raises:
        UnfitError: There is no low-rank layer.
        ArgumentError: One is on no linear layer, or is no part of a network.
    """
    layers = low_rank_layers(problem.model)
    if not layers:
        raise UnfitError(f"{owner} takes networks with low-rank layers, and there are none")
    for name, layer in layers.items():
        if layer.base is None or not name:
            raise ArgumentError(
                f"{owner}: got a low-rank layer {name!r} on nothing, expected one on a linear layer in a network."
            )
