"""A user's torch.optim-style class, named on the command line as package.module:Class[lr=0.1]."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
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
        ArgumentError: It is no class with a step, or does not accept these hyperparameters, or drops one in silence.
    """
    optimizer_class = _class(target)
    if target.partition(":")[0].split(".")[0] == "heavyball":
        _run_heavyball_as_written()
    try:
        inspect.signature(optimizer_class).bind([], **hyper)
    except TypeError as error:
        raise ArgumentError(f"{target}: {error}; its signature is {inspect.signature(optimizer_class)}.") from None
    inner = optimizer_class(list(problem.params.values()), **hyper)
    _check_taken(inner, target, hyper)
    adapted = from_closure(inner) if _takes_closure(inner) else from_torch(inner)
    return replace(adapted, state=lambda: _state(inner, problem))


def _class(target: str) -> Any:
    found = load(target)
    if not (inspect.isclass(found) and "step" in dir(found)):
        raise ArgumentError(f"{target}: got {found!r}, expected a class with a method `step`.")
    return found


def _run_heavyball_as_written() -> None:
    """Have the package heavyball not compile its steps: what compiled code allocates and computes in is not seen.

    A compiled graph gives the same steps in less time; its seconds here are those of eager kernels.
    """
    utils: Any = importlib.import_module("heavyball.utils")
    utils.compile_mode = utils.compile_mode_recommended_to_none = None


def _check_taken(inner: Any, target: str, hyper: Iterable[str]) -> None:
    """Raise ArgumentError for a hyperparameter that went into a `**kwargs` and was never seen again.

    It was taken if a constructor of the class or of a base names it, or if the object keeps it.
    """
    constructors = [vars(kind)["__init__"] for kind in type(inner).__mro__ if "__init__" in vars(kind)]
    named = {name for constructor in constructors for name in inspect.signature(constructor).parameters}
    kept = inner.defaults if isinstance(inner, torch.optim.Optimizer) else vars(inner)
    dropped = [name for name in hyper if name not in named and name not in kept]
    if dropped:
        own = ", ".join(list(inspect.signature(type(inner)).parameters)[1:])
        raise ArgumentError(f"{target}: got {', '.join(dropped)}, which it drops without a word; it takes {own}.")


def _takes_closure(inner: Any) -> bool:
    """Whether `step` evaluates the loss itself: it has a parameter `closure`, or one that it cannot do without."""
    parameters = inspect.signature(inner.step).parameters.values()
    return any(p.name == "closure" or (p.default is p.empty and p.kind in POSITIONAL) for p in parameters)


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _state(inner: Any, problem: Problem) -> Iterator[Tensor]:
    """Yield every tensor among the object's attributes, wherever it keeps them, but the problem's own."""
    own = {id(t) for p in problem.params.values() for t in (p, p.grad)}
    return (t for t in tensors_in(vars(inner)) if id(t) not in own)
