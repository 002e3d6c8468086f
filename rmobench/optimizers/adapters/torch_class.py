"""A user's torch.optim-style class, named on the command line as package.module:Class[lr=0.1]."""

from __future__ import annotations

import inspect
from typing import Any

from rmobench.errors import ArgumentError
from rmobench.optimizers.torch_style import from_closure, from_torch
from rmobench.registry import load
from rmobench.types import Optimizer, Problem


def torch_class(problem: Problem, *, target: str, **hyper: Any) -> Optimizer:
    """Build the class on the problem's parameters and adapt it.

    Args:
        problem: Any.
        target: package.module:Class.
        **hyper: Handed to the class as they are.

    Raises:
        ArgumentError: The class does not accept these hyperparameters.
    """
    optimizer_class = load(target)
    try:
        inspect.signature(optimizer_class).bind([], **hyper)
    except TypeError as error:
        raise ArgumentError(f"{target}: {error}; its signature is {inspect.signature(optimizer_class)}.") from None
    inner = optimizer_class(list(problem.params.values()), **hyper)
    takes_closure = "closure" in inspect.signature(inner.step).parameters
    return from_closure(inner) if takes_closure else from_torch(inner)
