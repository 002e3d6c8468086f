"""The rotated hyper-ellipsoid: a sum of spheres of growing dimension."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Sum over i of x_1^2 + ... + x_i^2, which is the sum of (d + 1 - j) x_j^2; [..., d] -> [...]."""
    weights = torch.arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device)
    return (weights * x.square()).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-65.536, 65.536]^d; minimum 0 at the origin.
    """
    check_dim("rotated_hyper_ellipsoid", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-65.536, high=65.536, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Molga, Smutnicki 2005, Test functions for optimization needs; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def rotated_hyper_ellipsoid(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise a convex, separable quadratic of condition number d (axis-aligned, despite its name).

    Args:
        seed: Draws the start, uniform in [-65.536, 65.536]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
