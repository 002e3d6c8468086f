"""The Rosenbrock function: a curved, flat valley."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2; [..., d] -> [...]."""
    head, tail = x[..., :-1], x[..., 1:]
    return (100.0 * (tail - head**2) ** 2 + (1.0 - head) ** 2).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions."""
    check_dim("rosenbrock", dim)
    return Function(value=value, low=-5.0, high=10.0, minimiser=torch.ones(dim, dtype=torch.float64), optimum=0.0)


@task(
    family="analytic",
    source="Rosenbrock 1960, Computer Journal 3(3); "
    "domain: Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def rosenbrock(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Follow the banana-shaped valley to (1, ..., 1).

    Args:
        seed: Draws the start, uniform in [-5, 10]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
