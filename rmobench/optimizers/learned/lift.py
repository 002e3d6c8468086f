"""A trained rule as an Optimizer."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.optimizers.learned.rule import Architecture, State, Theta, working_type
from rmobench.optimizers.learned.weights import Weights
from rmobench.types import Optimizer, Oracle, Problem


def lift(problem: Problem, architecture: Architecture, weights: Weights) -> Optimizer:
    """Apply a rule to every parameter by itself, or to all of them as one vector where the architecture is flat.

    Computes in float64 for float64 parameters and in float32 for all others.
    """
    walk = Walk(architecture, weights)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        walk.step({name: p for name, p in problem.params.items() if p.grad is not None})

    return Optimizer(step, state=walk.tensors, weights=lambda: weights.theta.values())


class Walk:
    """The states of a rule over some parameters, and how it moves them."""

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        self.states: dict[str, State] = {}
        self._architecture = architecture
        self._weights = weights
        self._placed: dict[tuple[torch.device, torch.dtype], Theta] = {}

    def tensors(self) -> list[Tensor]:
        """Return every tensor of every state."""
        return [t for state in self.states.values() for t in state.values()]

    def step(self, params: dict[str, Tensor]) -> None:
        """Move the parameters, all of which have a gradient, in place."""
        if not self._architecture.flat:
            for name, p in params.items():
                p.add_(self._update(name, p, p.grad))  # type: ignore[arg-type]  # they have a gradient
            return
        if params:
            x = torch.cat([p.reshape(-1) for p in params.values()])
            g = torch.cat([p.grad.reshape(-1) for p in params.values()])  # type: ignore[union-attr]
            moves = self._update("", x, g).split([p.numel() for p in params.values()])
            for p, move in zip(params.values(), moves, strict=True):
                p.add_(move.reshape(p.shape))

    def _update(self, name: str, p: Tensor, g: Tensor) -> Tensor:
        dtype = working_type(p)
        rule = self._architecture.rule(self._theta(p.device, dtype), **self._weights.settings)
        x = p.to(dtype)
        state = self.states[name] if name in self.states else rule.init(x)
        move, self.states[name] = rule.update(state, x, g.to(dtype))
        return move.to(p.dtype)

    def _theta(self, device: torch.device, dtype: torch.dtype) -> Theta:
        if (device, dtype) not in self._placed:
            self._placed[device, dtype] = {name: t.to(device, dtype) for name, t in self._weights.theta.items()}
        return self._placed[device, dtype]
