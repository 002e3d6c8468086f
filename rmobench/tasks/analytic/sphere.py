"""The sphere: the squared distance to the origin."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum of x_i^2; [..., d] -> [...]."""
    return x.square().sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-5.12, 5.12]^d; minimum 0 at the origin.
    """
    check_dim("sphere", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-5.12, high=5.12, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="De Jong 1975, PhD thesis, University of Michigan, F1; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def sphere(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise the best-conditioned quadratic: nothing is hard but the choice of the step length.

    Args:
        seed: Draws the start, uniform in [-5.12, 5.12]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
