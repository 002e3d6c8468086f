"""The classical functions in unit coordinates, where learned rules are trained and compared.

A learned rule takes steps of a fixed scale, so every function is brought to the box [-1, 1]^d and divided by its height
f(start) - f*: an affine change of variables that every optimizer gets alike.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.errors import UnknownNameError
from rmobench.tasks.analytic.closed_form import Function
from rmobench.tasks.analytic.placed import placed
from rmobench.tasks.analytic.quadratic import orthogonal

FUNCTIONS = (
    "ackley",
    "dixon_price",
    "griewank",
    "levy",
    "michalewicz",
    "perm_0_d_beta",
    "perm_d_beta",
    "powell",
    "rastrigin",
    "rosenbrock",
    "rotated_hyper_ellipsoid",
    "schwefel",
    "sphere",
    "styblinski_tang",
    "sum_of_different_powers",
    "sum_squares",
    "trid",
    "zakharov",
)
SHIFT_MAX = 0.5  # a shifted minimiser lies uniformly in [-0.5, 0.5]^d


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """x in [-1, 1]^d  ->  y = minimiser + half R (x - centre), the function's own coordinates."""

    function: Function
    centre: Tensor  # [d] where the minimiser lies in unit coordinates
    rotation: Tensor | None  # R [d, d], None: the identity
    own: Callable[[Tensor], Tensor]  # x -> y, [..., d] -> [..., d]


def function_named(name: str, dim: int) -> Function:
    """Return one of the 18 classical functions.

    Raises:
        UnknownNameError: No such function.
        ArgumentError: The function does not exist in this dimension.
    """
    if name not in FUNCTIONS:
        raise UnknownNameError("function", name, FUNCTIONS)
    described: Function = importlib.import_module(f"rmobench.tasks.analytic.{name}").function(dim)
    return described


def centre_of(function: Function) -> Tensor:
    """Return where a function's own minimiser lies in unit coordinates; [d]."""
    return (2.0 * function.minimiser - (function.high + function.low)) / (function.high - function.low)


def draw_instance(function: Function, generator: Generator, *, shifted: bool, rotated: bool) -> Instance:
    """Draw an instance: the minimiser moved, the axes turned, or neither."""
    d = len(function.minimiser)
    shift = SHIFT_MAX * (2.0 * torch.rand(d, generator=generator, dtype=torch.float64) - 1.0)
    centre = shift if shifted else centre_of(function)
    rotation = orthogonal(d, generator) if rotated else None
    return Instance(function=function, centre=centre, rotation=rotation, own=_own(function, centre, rotation))


def _own(function: Function, centre: Tensor, rotation: Tensor | None) -> Callable[[Tensor], Tensor]:
    half = 0.5 * (function.high - function.low)
    minimiser_at, centre_at = placed(function.minimiser), placed(centre)
    rotation_at = None if rotation is None else placed(rotation)

    def own(x: Tensor) -> Tensor:
        offset = x - centre_at(x)
        if rotation_at is not None:
            offset = offset @ rotation_at(x).mT
        return minimiser_at(x) + half * offset

    return own
