"""Ordinary methods on the factors as they are: the baselines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from rmobench.errors import ArgumentError
from rmobench.models.low_rank_linear import low_rank_layers
from rmobench.optimizers.lowrank.layerwise import into_two_factors
from rmobench.optimizers.lowrank.watching import found
from rmobench.optimizers.torch_style import from_torch
from rmobench.types import Optimizer, Problem

FACTORS = ("two", "three")
"""W = B A, or W = U S V^T with nothing that keeps U and V orthonormal."""


def factorwise(problem: Problem, inner: torch.optim.Optimizer) -> Optimizer:
    """Adapt an optimizer of the factors, which says of itself what rank they have."""
    return replace(from_torch(inner), diagnostics=found(problem).rank)


def groups(owner: str, problem: Problem, *, factors: str, lr: float, lr_ratio: float) -> list[dict[str, Any]]:
    """Return the parameters in groups for torch.optim: the left factors with lr_ratio lr, all others with lr.

    Source: Hayou, Ghosh, Yu 2024, ICML, arXiv 2402.12354 (LoRA+).

    Args:
        owner: Whose options these are, as the message begins.
        problem: Its layers come to two factors at once if they shall, W as it was.
        factors: "two" or "three".
        lr: Step length.
        lr_ratio: Of the left factors; 1: all alike.

    Raises:
        ArgumentError: `factors` is neither.
    """
    if factors not in FACTORS:
        raise ArgumentError(f"{owner}: got factors={factors!r}, expected one of {', '.join(FACTORS)}.")
    if factors == "two":
        into_two_factors(problem)
    left: list[nn.Parameter] = [layer.U for layer in low_rank_layers(problem.model).values() if layer.U.requires_grad]
    own = {id(p) for p in left}
    others = [p for p in problem.params.values() if id(p) not in own]
    both = [{"params": left, "lr": lr_ratio * lr}, {"params": others, "lr": lr}]
    return [group for group in both if group["params"]]
