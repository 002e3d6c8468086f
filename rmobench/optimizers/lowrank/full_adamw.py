"""AdamW on whole matrices in the place of low-rank layers: what adapters are measured against."""

from __future__ import annotations

import torch
from torch import nn

from rmobench.errors import ArgumentError
from rmobench.models.low_rank_linear import LowRankLinear, low_rank_layers
from rmobench.optimizers.options import check_options
from rmobench.optimizers.torch_style import from_torch
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem

SCOPES = ("all", "layers")


@optimizer(
    family="lowrank",
    source="Loshchilov, Hutter 2019, ICLR, arXiv 1711.05101; torch.optim.AdamW",
    needs=("adapters",),
    search={"lr": Log(1e-6, 1e-2), "beta1": Log(0.5, 0.99), "beta2": Log(0.9, 0.9999)},
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
    """
    check_options("full_adamw", lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay)
    if scope not in SCOPES:
        raise ArgumentError(f"full_adamw: got scope={scope!r}, expected one of {', '.join(SCOPES)}.")
    for base in merged(problem.model).values():
        base.weight.requires_grad_(True)
    if scope == "all":
        problem.model.requires_grad_(True)
    free = list(problem.params.values())
    return from_torch(torch.optim.AdamW(free, lr=lr, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay))


@torch.no_grad()
def merged(model: nn.Module) -> dict[str, nn.Linear]:
    """Put the linear layers, their low-rank matrices added, in the place of the low-rank layers; by name.

    Raises:
        ArgumentError: A layer without a base.
    """
    bases = {}
    for name, layer in low_rank_layers(model).items():
        bases[name] = _merged(name, layer)
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, bases[name])
    return bases


def _merged(name: str, layer: LowRankLinear) -> nn.Linear:
    if layer.base is None or not name:
        raise ArgumentError(f"got a low-rank layer {name!r} on nothing, expected one on a linear layer in a network.")
    weight = layer.base.weight
    if layer.n_used:  # at zero the weight stays what it is, to the bit
        wide = torch.promote_types(weight.dtype, torch.float32)
        weight = nn.Parameter((weight.to(wide) + layer.matrix(wide)).to(weight.dtype), requires_grad=False)
        layer.base.weight = weight
    return layer.base
