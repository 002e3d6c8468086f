"""The Powell singular function: the Hessian is singular at the minimum."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum over groups (a, b, c, d) of (a + 10 b)^2 + 5 (c - d)^2 + (b - 2 c)^4 + 10 (a - d)^4; [..., d] -> [...]."""
    a, b, c, d = x.reshape(*x.shape[:-1], -1, 4).unbind(-1)
    squares = (a + 10.0 * b).square() + 5.0 * (c - d).square()
    return (squares + (b - 2.0 * c).pow(4) + 10.0 * (a - d).pow(4)).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-4, 5]^d, d a multiple of 4; minimum 0 at the origin.
    """
    check_dim("powell", dim, low=4, multiple_of=4)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-4.0, high=5.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Powell 1962, Computer Journal 5(2); Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def powell(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 12) -> Problem:
    """Minimise a convex function that is quartic along two directions of every four: Newton is only linear.

    Args:
        seed: Draws the start, uniform in [-4, 5]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x, a multiple of 4.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
