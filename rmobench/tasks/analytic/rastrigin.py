"""The Rastrigin function: a bowl under a grid of cosines."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """10 d + sum of x_i^2 - 10 cos(2 pi x_i), as x_i^2 + 20 sin^2(pi x_i); [..., d] -> [...]."""
    return (x.square() + 20.0 * torch.sin(math.pi * x).square()).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-5.12, 5.12]^d; minimum 0 at the origin.
    """
    check_dim("rastrigin", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-5.12, high=5.12, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Rastrigin 1974, Systems of Extremal Control; Muehlenbein et al. 1991, Parallel Computing 17; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def rastrigin(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Find the lowest of some 11^d local minima on a regular grid.

    Args:
        seed: Draws the start, uniform in [-5.12, 5.12]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
