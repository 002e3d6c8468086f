"""What all analytic tasks share: a function with a known minimum becomes a problem."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.tasks.streams import stream
from rmobench.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function R^d -> R with its published domain and its minimum."""

    value: Callable[[Tensor], Tensor]  # [..., d] -> [...]
    low: float  # domain and start: uniform in [low, high]^d
    high: float
    minimiser: Tensor  # [d], float64
    optimum: float  # f(minimiser)
    only_inside: bool = False  # the optimum holds inside the domain only: points outside are infeasible


class Vector(nn.Module):
    """The parameters of an analytic task: one vector x [d]."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x)


def problem(
    function: Function,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    start: Tensor | None = None,
    loss: Callable[[nn.Module, object], Tensor] | None = None,
    batches: Iterator[object] | None = None,
) -> Problem:
    """Build the problem of minimising `function` from a start drawn uniformly in its domain.

    Args:
        function: What to minimise, and the truth that judges.
        seed: Draws the start.
        device: Where x lives.
        dtype: Storage precision of x.
        start: x [d] to start from instead, float64.
        loss: (model, batch) -> [] that the optimizer sees instead of the function itself, e.g. with noise.
        batches: Endless, for a stochastic loss.
    """
    if start is None:
        unit = torch.rand(function.minimiser.shape, generator=stream(seed, "init"), dtype=torch.float64)
        start = function.low + (function.high - function.low) * unit
    model = Vector(start.to(device, dtype))
    exact_start = model.x.detach().to("cpu", torch.float64)  # the start as stored, rounded
    span = function.value(exact_start).item() - function.optimum

    def judge(model: nn.Module) -> Mapping[str, float]:
        x = model.get_parameter("x").detach().to("cpu", torch.float64)
        objective = function.value(x).item()
        outside = torch.maximum(function.low - x, x - function.high).amax().clamp_min(0.0).item()
        return {
            "objective": objective,
            "gap": (objective - function.optimum) / span,
            "residual": outside if function.only_inside else 0.0,
        }

    def evaluate(model: nn.Module, batch: object) -> Tensor:
        return function.value(model.x)  # type: ignore[arg-type]  # a module attribute may be anything

    return Problem(model=model, loss=loss or evaluate, batches=batches or itertools.repeat(None), judge=judge)


def check_dim(name: str, dim: int, *, low: int = 2, high: int = 1000, multiple_of: int = 1) -> None:
    """Raise ArgumentError unless low <= dim <= high and dim is a multiple of `multiple_of`."""
    if not low <= dim <= high or dim % multiple_of:
        also = f" that is a multiple of {multiple_of}" if multiple_of > 1 else ""
        raise ArgumentError(f"{name}: got dim={dim}, expected a dimension from {low} to {high}{also}.")
