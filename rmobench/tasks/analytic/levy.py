"""The Levy function: ripples along and across a bowl."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Levy's function in u = (x - 1) / 4; [..., d] -> [...].

    sin^2(pi u_1) + sum_{i<d} u_i^2 (1 + 10 sin^2(pi u_i + 1)) + u_d^2 (1 + sin^2(2 pi u_d)). The publication writes
    w = u + 1; the squared sines have period pi, so the value is the same and the minimum is exact.
    """
    u = (x - 1.0) / 4.0
    head, last = u[..., :-1], u[..., -1]
    middle = head.square() * (1.0 + 10.0 * torch.sin(math.pi * head + 1.0).square())
    end = last.square() * (1.0 + torch.sin(2.0 * math.pi * last).square())
    return torch.sin(math.pi * u[..., 0]).square() + middle.sum(-1) + end


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-10, 10]^d; minimum 0 at (1, ..., 1).
    """
    check_dim("levy", dim)
    minimiser = torch.ones(dim, dtype=torch.float64)
    return Function(value=value, low=-10.0, high=10.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Levy, Montalvo 1985, SIAM J. Sci. Stat. Comput. 6(1); "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def levy(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Cross local minima that are separable but differ from coordinate to coordinate.

    Args:
        seed: Draws the start, uniform in [-10, 10]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
