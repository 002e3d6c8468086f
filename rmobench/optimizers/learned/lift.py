"""A trained rule as an Optimizer, and what it shares with `rmobench.optim`: a rule bound to its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from rmobench.errors import WeightsError
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta, working_type
from rmobench.optimizers.learned.weights import Weights
from rmobench.types import Optimizer, Oracle, Problem


def lift(problem: Problem, architecture: Architecture, weights: Weights) -> Optimizer:
    """Apply a rule to every parameter by itself, or to all of them as one vector where the architecture is flat.

    Computes in float64 for float64 parameters and in float32 for all others.
    """
    trained = Trained(architecture, weights)
    states: dict[str, State] = {}

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        params = {name: [p] for name, p in problem.params.items() if p.grad is not None}
        if architecture.flat and params:
            params = {"": [p for (p,) in params.values()]}
        for name, seen in params.items():
            states[name] = trained.advance(seen, states.get(name))

    def tensors() -> list[Tensor]:
        return [t for state in states.values() for t in state.values()]

    return Optimizer(step, state=tensors, weights=trained.weights)


class Trained:
    """An architecture with its weights, at every device and precision that it meets."""

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        _check(architecture, weights)
        self.architecture = architecture
        self._weights = weights
        self._placed: dict[tuple[torch.device, torch.dtype], Theta] = {}

    @property
    def settings(self) -> Mapping[str, bool | int | float]:
        """Return the architecture's settings that the weights were trained with."""
        return self._weights.settings

    def advance(self, params: Sequence[Tensor], state: State | None, *, factor: float = 1.0) -> State:
        """Move parameters in place by a step of the rule.

        Args:
            params: What the rule sees as one tensor, all of it with a gradient: one parameter; several if it is flat.
            state: As the step before returned it; None before the first one.
            factor: Of the step.

        Returns:
            The new state.
        """
        x = self._joined(params)
        g = self._joined([p.grad for p in params])  # type: ignore[misc]  # they have a gradient
        dtype = working_type(x)
        rule = self.rule(x.device, dtype)
        wide = x.to(dtype)
        move, state = rule.update(rule.init(wide) if state is None else state, wide, g.to(dtype))
        moves = torch.split(move.to(x.dtype).reshape(-1), [p.numel() for p in params])
        for p, part in zip(params, moves, strict=True):
            p.add_(part.reshape(p.shape), alpha=factor)
        return state

    def rule(self, device: torch.device, dtype: torch.dtype) -> Rule:
        """Return the rule with its weights at a device and a type."""
        if (device, dtype) not in self._placed:
            self._placed[device, dtype] = {name: t.to(device, dtype) for name, t in self._weights.theta.items()}
        return self.architecture.rule(self._placed[device, dtype], **self._weights.settings)

    def weights(self) -> Iterable[Tensor]:
        """Return the weights as they were loaded."""
        return self._weights.theta.values()

    def _joined(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([t.reshape(-1) for t in tensors]) if self.architecture.flat else tensors[0]


def _check(architecture: Architecture, weights: Weights) -> None:
    if unknown := set(weights.settings) - set(architecture.settings):
        raise WeightsError(f"got weights with settings {sorted(unknown)}, expected {sorted(architecture.settings)}.")
    expected = _shapes(architecture.fresh(torch.Generator(), **weights.settings))
    if (got := _shapes(weights.theta)) != expected:
        raise WeightsError(f"got weights with the tensors {got}, expected {expected}.")
    if not all(t.isfinite().all() for t in weights.theta.values()):
        raise WeightsError("got weights that are not finite; train them again.")


def _shapes(theta: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(theta[name].shape) for name in sorted(theta)}
