"""The Styblinski-Tang function: one tilted double well per coordinate."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem

MINIMISER = -2.9035340277711770951  # root of 4 x^3 - 32 x + 5, by Newton's method in 40 digits
DEPTH = -39.166165703771415464  # (x^4 - 16 x^2 + 5 x) / 2 there


def value(x: Tensor) -> Tensor:
    """Half the sum of x_i^4 - 16 x_i^2 + 5 x_i; [..., d] -> [...]."""
    squared = x.square()
    return 0.5 * (squared * (squared - 16.0) + 5.0 * x).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-5, 5]^d; minimum -39.16617 d at -2.903534 (1, ..., 1).
    """
    check_dim("styblinski_tang", dim)
    minimiser = torch.full((dim,), MINIMISER, dtype=torch.float64)
    return Function(value=value, low=-5.0, high=5.0, minimiser=minimiser, optimum=DEPTH * dim)


@task(
    family="analytic",
    source="Styblinski, Tang 1990, Neural Networks 3(4); "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def styblinski_tang(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Choose the deeper of two wells in every coordinate: 2^d local minima.

    Args:
        seed: Draws the start, uniform in [-5, 5]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
