"""The Schwefel function: deep minima far from each other, the best one near a corner."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem

MINIMISER = 420.96874635998202731  # root of tan(s) = -s/2, s = sqrt(x), near 421; by Newton's method in 40 digits
HEIGHT = 418.98288727243370627  # x sin(sqrt(x)) there


def value(x: Tensor) -> Tensor:
    """418.98 d - sum of x_i sin(sqrt|x_i|); [..., d] -> [...].

    The root has an infinite slope at x_i = 0; the floor under it makes autograd return the true derivative 0 there.
    """
    root = x.abs().clamp_min(torch.finfo(x.dtype).eps ** 2).sqrt()
    return (HEIGHT - x * torch.sin(root)).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-500, 500]^d; minimum 0 at 420.97 (1, ..., 1), inside the domain only.
    """
    check_dim("schwefel", dim)
    minimiser = torch.full((dim,), MINIMISER, dtype=torch.float64)
    return Function(value=value, low=-500.0, high=500.0, minimiser=minimiser, optimum=0.0, only_inside=True)


@task(
    family="analytic",
    source="Schwefel 1981, Numerical Optimization of Computer Models; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def schwefel(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Find the global minimum near a corner, far away from the second best; unbounded outside the box.

    Args:
        seed: Draws the start, uniform in [-500, 500]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
