"""The sum of different powers: every coordinate is flatter than the one before."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum of |x_i|^(i + 1), as x_i^2 |x_i|^(i - 1) to keep the second derivative at 0 right; [..., d] -> [...]."""
    first, tail = x[..., 0], x[..., 1:]  # a power of 0 has no second derivative in autograd
    exponents = torch.arange(1, x.shape[-1], dtype=x.dtype, device=x.device)
    return first.square() + (tail.square() * tail.abs().pow(exponents)).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-1, 1]^d; minimum 0 at the origin.
    """
    check_dim("sum_of_different_powers", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-1.0, high=1.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Molga, Smutnicki 2005, Test functions for optimization needs; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def sum_of_different_powers(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise a convex function whose Hessian at the minimum has rank one.

    Args:
        seed: Draws the start, uniform in [-1, 1]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
