"""The Trid function: a tridiagonal quadratic."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum of (x_i - 1)^2 minus the sum of x_i x_{i-1}; [..., d] -> [...]."""
    return (x - 1.0).square().sum(-1) - (x[..., 1:] * x[..., :-1]).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-d^2, d^2]^d; minimum -d (d + 4) (d - 1) / 6 at x_i = i (d + 1 - i).
    """
    check_dim("trid", dim)
    i = torch.arange(1, dim + 1, dtype=torch.float64)
    minimiser = i * (dim + 1 - i)
    return Function(
        value=value,
        low=-float(dim**2),
        high=float(dim**2),
        minimiser=minimiser,
        optimum=-dim * (dim + 4) * (dim - 1) / 6,
    )


@task(
    family="analytic",
    source="Neumaier, Global optimization test problems; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def trid(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise a quadratic whose chained coordinates give a condition number of about 0.4 d^2.

    Args:
        seed: Draws the start, uniform in [-d^2, d^2]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
