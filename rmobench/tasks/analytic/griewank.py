"""The Griewank function: a shallow bowl under a product of cosines."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """1 + sum x_i^2 / 4000 - product of cos(x_i / sqrt(i)); [..., d] -> [...]."""
    i = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    return 1.0 + x.square().sum(-1) / 4000.0 - torch.cos(x * i.rsqrt()).prod(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-600, 600]^d; minimum 0 at the origin.
    """
    check_dim("griewank", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-600.0, high=600.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Griewank 1981, JOTA 34(1); Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def griewank(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Descend a wide bowl whose many regular local minima fade as the dimension grows.

    Args:
        seed: Draws the start, uniform in [-600, 600]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
