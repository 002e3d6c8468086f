"""What a learned optimizer is: meta-parameters theta, and a pure update rule made of them.

`theta -> Rule(init, update)`. Both functions are pure and differentiable in theta, so the same rule is unrolled for
meta-training and lifted to an `Optimizer`. They see one parameter tensor; a batch of tasks is a `torch.func.vmap` away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

Theta = dict[str, Tensor]
"""Meta-parameters by name."""

State = dict[str, Tensor]
"""What a rule keeps of one parameter tensor between steps."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An update rule with its meta-parameters bound."""

    init: Callable[[Tensor], State]  # parameter [*] -> state before the first step
    update: Callable[[State, Tensor, Tensor], tuple[Tensor, State]]  # state, parameter, gradient -> step to add, state


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A family of rules: how to draw fresh meta-parameters and how to make a rule of them.

    Both take the settings that a recipe fixes (widths, scales) as keywords.
    """

    fresh: Callable[..., Theta]  # (generator, **settings) -> theta, float32
    rule: Callable[..., Rule]  # (theta, **settings) -> Rule
    flat: bool = False  # sees all parameters of a problem as one vector
    settings: Mapping[str, int | float | bool]  # with their defaults


def working_type(x: Tensor) -> torch.dtype:
    """Return the type that rules compute in: float64 for float64 parameters, float32 for all others."""
    return torch.promote_types(x.dtype, torch.float32)


def count(theta: Theta) -> int:
    """Count the meta-parameters."""
    return sum(t.numel() for t in theta.values())


def linear(theta: Theta, name: str, x: Tensor) -> Tensor:
    """Apply the affine layer `name`; [..., i] -> [..., o]."""
    return x @ theta[f"{name}.weight"].mT + theta[f"{name}.bias"]


def fresh_linear(name: str, n_in: int, n_out: int, generator: Generator, *, gain: float = 1.0) -> Theta:
    """Draw an affine layer: weights normal with variance gain^2 / n_in, bias zero."""
    weight = torch.randn(n_out, n_in, generator=generator) * (gain / n_in**0.5)
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(n_out)}


def mlp(theta: Theta, x: Tensor, n_layers: int) -> Tensor:
    """Apply the layers mlp.0, mlp.1, ... with ReLU between them; [..., i] -> [..., o]."""
    for layer in range(n_layers - 1):
        x = torch.relu(linear(theta, f"mlp.{layer}", x))
    return linear(theta, f"mlp.{n_layers - 1}", x)


def fresh_mlp(widths: tuple[int, ...], generator: Generator) -> Theta:
    """Draw the layers of `mlp`; the first layers for ReLU (He et al. 2015), the last one small."""
    theta: Theta = {}
    last = len(widths) - 2
    for layer, (n_in, n_out) in enumerate(pairwise(widths)):
        gain = 0.1 if layer == last else 2.0**0.5
        theta |= fresh_linear(f"mlp.{layer}", n_in, n_out, generator, gain=gain)
    return theta
