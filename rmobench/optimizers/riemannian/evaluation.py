"""What the oracle said at a point of the product of all parameters' manifolds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.geometry import EUCLIDEAN, Product
from rmobench.types import Oracle, Problem

Vector = Mapping[str, Tensor]
"""A point of the product or a vector tangent to it: one tensor per parameter, by its name."""

ROUNDINGS = 10.0
"""How many roundings of its own size a loss is taken to be off: a long sum loses some digits."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A point with its loss and its Riemannian gradient."""

    point: Vector
    loss: float
    rounding: float  # how far the loss may be off
    gradient: Vector


def product_of(problem: Problem) -> Product:
    """Return the product of all parameters' manifolds; those without one are Euclidean."""
    return Product({name: problem.manifolds.get(name, EUCLIDEAN) for name in problem.params})


def evaluate(problem: Problem, manifold: Product, oracle: Oracle) -> Evaluation:
    """Ask the oracle where the parameters are; one call."""
    loss = oracle()
    x = {name: p.detach().clone() for name, p in problem.params.items()}
    value = loss.item()
    return Evaluation(
        point=x,
        loss=value,
        rounding=ROUNDINGS * torch.finfo(loss.dtype).eps * abs(value),
        gradient=manifold.gradient(x, ambient_gradient(problem)),
    )


def ambient_gradient(problem: Problem) -> Vector:
    """Return what the oracle left in .grad, zero where the loss does not depend on a parameter."""
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in problem.params.items()}


def move(problem: Problem, x: Vector) -> None:
    """Put the parameters at x."""
    for name, p in problem.params.items():
        p.copy_(x[name])


def scaled(a: float, u: Vector) -> Vector:
    """Return a u."""
    return {name: a * part for name, part in u.items()}


def plus(u: Vector, a: float, v: Vector) -> Vector:
    """Return u + a v."""
    return {name: part + a * v[name] for name, part in u.items()}
