"""Adam's moments for factors and cores, and the rules that parameters outside the low-rank layers take."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.pointwise import Rule, State, advance
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.types import Manifold, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam's direction, entry by entry, and decoupled weight decay.

    Source: Kingma, Ba 2015, ICLR, arXiv 1412.6980; decay: Loshchilov, Hutter 2019, ICLR, arXiv 1711.05101.
    """

    lr: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float = 0.0

    def check(self, owner: str) -> AdamW:
        """Return itself, or raise ArgumentError for a number out of its range."""
        check_options(
            owner,
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
        )
        return self

    def direction(self, g: Tensor, state: State) -> tuple[Tensor, State]:
        """Return mean / (root of mean square + epsilon), both corrected for their start at zero."""
        n_steps = state["n_steps"] + 1 if state else 1
        mean = torch.lerp(state["mean"], g, 1.0 - self.beta1) if state else (1.0 - self.beta1) * g
        square = torch.lerp(state["square"], g * g, 1.0 - self.beta2) if state else (1.0 - self.beta2) * g * g
        root = (square / (1.0 - self.beta2**n_steps)).sqrt_().add_(self.epsilon)
        return mean / (1.0 - self.beta1**n_steps) / root, {"mean": mean, "square": square, "n_steps": n_steps}

    def move(self, x: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
        """Return (1 - lr weight_decay) x - lr direction."""
        direction, state = self.direction(g, state)
        return (1.0 - self.lr * self.weight_decay) * x - self.lr * direction, state

    def rule(self, manifold: Manifold, x: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
        """Move a parameter without a manifold."""
        return self.move(x, g, state)


def heavy_ball(*, lr: float, momentum: float) -> Rule:
    """Return the rule v <- momentum v + g, x <- x - lr v."""
    return partial(rsgd_update, lr=lr, momentum=momentum)


@dataclass(frozen=True, slots=True)
class Others:
    """The parameters outside the low-rank layers, and what is kept of each."""

    names: tuple[str, ...]
    states: dict[str, State] = field(default_factory=dict)

    def move(self, problem: Problem, rule: Rule) -> None:
        """Take a step of a rule with each that has a gradient."""
        params = problem.params if self.names else {}
        for name in self.names:
            x = params[name]
            if x.grad is not None:
                self.states[name] = advance(rule, EUCLIDEAN, x, x.grad, self.states.get(name, {}))
