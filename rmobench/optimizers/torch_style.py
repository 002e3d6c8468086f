"""Any torch.optim-style optimizer as the one interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from rmobench.types import Optimizer, Oracle


def from_torch(inner: torch.optim.Optimizer) -> Optimizer:
    """Adapt an optimizer that takes one gradient per step."""

    def step(oracle: Oracle) -> None:
        oracle()
        inner.step()

    return Optimizer(step, state=lambda: tensors_in(inner.state))


def from_closure(inner: torch.optim.Optimizer) -> Optimizer:
    """Adapt an optimizer that evaluates the closure itself, as often as it likes."""

    def step(oracle: Oracle) -> None:
        inner.step(oracle)  # type: ignore[arg-type]  # torch's hint says float, its own closures return the tensor

    return Optimizer(step, state=lambda: tensors_in(inner.state))


def tensors_in(value: object) -> Iterator[Tensor]:
    """Yield every tensor in nested containers; parameters as dictionary keys are not state."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(value.values())
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            yield from tensors_in(item)
