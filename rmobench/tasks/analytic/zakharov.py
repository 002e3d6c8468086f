"""The Zakharov function: a bowl with one very steep direction."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum of x_i^2, plus s^2 + s^4 with s the sum of i x_i / 2; [..., d] -> [...]."""
    i = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    squared = (0.5 * (i * x).sum(-1)).square()
    return x.square().sum(-1) + squared + squared.square()


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-5, 10]^d; minimum 0 at the origin.
    """
    check_dim("zakharov", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-5.0, high=10.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def zakharov(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise a convex bowl with a quartic along one direction, which dwarfs all the others at the start.

    Args:
        seed: Draws the start, uniform in [-5, 10]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
