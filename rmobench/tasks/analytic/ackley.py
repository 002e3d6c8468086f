"""The Ackley function: a cone at the bottom of a rippled plain."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """20 - 20 exp(-0.2 r) + e - exp(mean cos 2 pi x_i), r the root mean square of x; [..., d] -> [...].

    Written with expm1 and cos 2a = 1 - 2 sin^2 a, so that nothing cancels near the minimum. The tip of the cone has no
    gradient; the floor under the root makes autograd return 0 there, and changes the value by less than one rounding.
    """
    floor = torch.finfo(x.dtype).eps ** 2
    r = x.square().mean(-1).clamp_min(floor).sqrt()
    ripple = torch.sin(math.pi * x).square().mean(-1)
    return -20.0 * torch.expm1(-0.2 * r) - math.e * torch.expm1(-2.0 * ripple)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-32.768, 32.768]^d; minimum 0 at the origin, where the gradient jumps.
    """
    check_dim("ackley", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-32.768, high=32.768, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Ackley 1987, A Connectionist Machine for Genetic Hillclimbing; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def ackley(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Find the one deep hole in a nearly flat plain covered with local minima.

    Args:
        seed: Draws the start, uniform in [-32.768, 32.768]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
