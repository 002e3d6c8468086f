"""What every class here does with closures, gradients and saved state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import StateDict

from rmobench.errors import ArgumentError

Group = dict[str, Any]


def evaluated(closure: Callable[[], float] | None) -> float | None:
    """Return the loss of a closure, which fills the gradients; None where there is none."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def check_gradients(optimizer: torch.optim.Optimizer, group: Group) -> None:
    """Raise ArgumentError for a gradient of a group that is sparse or complex."""
    for p in group["params"]:
        if p.grad is not None and (p.grad.layout is not torch.strided or p.grad.is_complex()):
            raise ArgumentError(
                f"{type(optimizer).__name__}: got a gradient of type {p.grad.dtype} and layout {p.grad.layout}, "
                "expected a real and dense one."
            )


def load_exactly(
    optimizer: torch.optim.Optimizer,
    load: Callable[[StateDict], None],
    state_dict: StateDict,
    *,
    alike: tuple[str, ...],
    types: Callable[[Group], Mapping[Tensor, torch.dtype]],
) -> None:
    """Load a state dict, to the bit if the parameters have the type that they had.

    Torch casts state to the type of its parameter, which would round that of low-precision ones; here it is put in as
    it was saved.

    Args:
        optimizer: That receives.
        load: Torch's own method.
        state_dict: What was saved.
        alike: Options in which every saved group must equal the optimizer's own.
        types: Of the state of a group's parameters.

    Raises:
        ArgumentError: The state belongs to another optimizer; nothing was changed.
    """
    for saved, own in zip(state_dict["param_groups"], optimizer.param_groups, strict=False):
        for key in alike:
            if saved.get(key) != own[key]:
                raise ArgumentError(
                    f"{type(optimizer).__name__}: got a state dict of {saved.get(key, 'another class')}, "
                    f"expected one of {own[key]}."
                )
    given: list[StateDict] = []  # as other hooks leave it
    before = optimizer.register_load_state_dict_pre_hook(lambda _, final: given.append(final))
    after = optimizer.register_load_state_dict_post_hook(lambda _: _restore(optimizer, given[0], types), prepend=True)
    try:
        load(state_dict)
    finally:
        before.remove()
        after.remove()


def _restore(
    optimizer: torch.optim.Optimizer, saved: StateDict, types: Callable[[Group], Mapping[Tensor, torch.dtype]]
) -> None:
    """Copy the saved state to where the parameters are, in the type that the rule computes in."""
    for own, other in zip(optimizer.param_groups, saved["param_groups"], strict=True):
        dtypes = types(own)
        for p, key in zip(own["params"], other["params"], strict=True):
            for name, value in saved["state"].get(key, {}).items():
                if isinstance(value, Tensor | tuple):
                    optimizer.state[p][name] = _copied(value, p.device, dtypes[p])


def _copied(value: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Return a copy of a tensor, of every tensor in a tuple, and all else as it is."""
    if isinstance(value, tuple):
        return tuple(_copied(item, device, dtype) for item in value)
    return value.to(device, dtype, copy=True) if isinstance(value, Tensor) else value
