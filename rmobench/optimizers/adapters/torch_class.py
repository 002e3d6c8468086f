"""A user's torch.optim-style class, named on the command line as package.module:Class[lr=0.1]."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.optimizers.torch_style import from_closure, from_torch, tensors_in
from rmobench.registry import load
from rmobench.types import Optimizer, Problem


def torch_class(problem: Problem, *, target: str, **hyper: Any) -> Optimizer:
    """Build the class on the problem's parameters and adapt it.

    Args:
        problem: Any.
        target: package.module:Class.
        **hyper: Handed to the class as they are.

    Raises:
        ArgumentError: It is no class with a step, or does not accept these hyperparameters.
    """
    optimizer_class = _class(target)
    try:
        inspect.signature(optimizer_class).bind([], **hyper)
    except TypeError as error:
        raise ArgumentError(f"{target}: {error}; its signature is {inspect.signature(optimizer_class)}.") from None
    inner = optimizer_class(list(problem.params.values()), **hyper)
    adapted = from_closure(inner) if _takes_closure(inner) else from_torch(inner)
    return replace(adapted, state=lambda: _state(inner, problem))


def _class(target: str) -> Any:
    found = load(target)
    if not (inspect.isclass(found) and "step" in dir(found)):
        raise ArgumentError(f"{target}: got {found!r}, expected a class with a method `step`.")
    return found


def _takes_closure(inner: Any) -> bool:
    """Whether `step` evaluates the loss itself: it has a parameter `closure`, or one that it cannot do without."""
    parameters = inspect.signature(inner.step).parameters.values()
    return any(p.name == "closure" or (p.default is p.empty and p.kind in POSITIONAL) for p in parameters)


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _state(inner: Any, problem: Problem) -> Iterator[Tensor]:
    """Yield every tensor among the object's attributes, wherever it keeps them, but the problem's own."""
    own = {id(t) for p in problem.params.values() for t in (p, p.grad)}
    return (t for t in tensors_in(vars(inner)) if id(t) not in own)
