"""The sum of squares with growing weights."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum of i x_i^2; [..., d] -> [...]."""
    i = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    return (i * x.square()).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-10, 10]^d; minimum 0 at the origin.
    """
    check_dim("sum_squares", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-10.0, high=10.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Molga, Smutnicki 2005, Test functions for optimization needs; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def sum_squares(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise a convex, axis-aligned quadratic of condition number d.

    Args:
        seed: Draws the start, uniform in [-10, 10]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
