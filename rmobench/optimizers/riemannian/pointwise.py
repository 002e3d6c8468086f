"""Rules that see one parameter at a time, and such a rule as an Optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Spd
from rmobench.geometry.storage import wide
from rmobench.optimizers.torch_style import tensors_in
from rmobench.types import Manifold, Optimizer, Oracle, Problem

State = dict[str, Any]
"""What a rule keeps of a parameter's past: tensors and counts. Empty before the first step."""

Rule = Callable[[Manifold, Tensor, Tensor, State], tuple[Tensor, State]]
"""(manifold, point, Euclidean gradient, state) -> next point, next state. Pure; float32 or wider."""


def pointwise(problem: Problem, rule: Rule, *, states: dict[str, State] | None = None) -> Optimizer:
    """Apply a rule to every parameter by itself; those without a manifold are Euclidean.

    Args:
        problem: Any that the rule takes.
        rule: What a step is.
        states: Where the states are kept by parameter name, for those who want to look at them.
    """
    states = {} if states is None else states

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, x in problem.params.items():
            if x.grad is not None:
                manifold = problem.manifolds.get(name, EUCLIDEAN)
                states[name] = advance(rule, manifold, x, x.grad, states.get(name, {}))

    return Optimizer(step, state=lambda: tensors_in(states))


def advance(rule: Rule, manifold: Manifold, x: Tensor, g: Tensor, state: State) -> State:
    """Move a parameter in place by a step of the rule, and return the new state.

    The rule computes and keeps its state in float64 for float64 parameters, in float32 for all others.
    """
    y, state = rule(manifold, wide(x), wide(g), state)
    x.copy_(y)
    return state


def check_spd(owner: str, problem: Problem) -> None:
    """Raise ArgumentError unless every parameter is positive definite or free."""
    for name, manifold in problem.manifolds.items():
        if manifold not in (EUCLIDEAN, Spd()):
            raise ArgumentError(f"{owner}: {name} lies on {manifold.name}, expected spd or no manifold.")
