"""A convex function whose gradient jumps."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """Largest |x_i - 1| plus the mean of |x_i - 1| weighted by 2 i / (d + 1); [..., d] -> [...].

    Where the gradient jumps, autograd returns one subgradient: 0 at the minimum.
    """
    d = x.shape[-1]
    weights = torch.arange(1, d + 1, dtype=x.dtype, device=x.device) * (2.0 / (d + 1))
    distance = (x - 1.0).abs()
    return distance.amax(-1) + (weights * distance).mean(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-10, 10]^d; minimum 0 at (1, ..., 1), where it is as sharp as everywhere: the slope never fades.
    """
    check_dim("kink", dim)
    minimiser = torch.ones(dim, dtype=torch.float64)
    return Function(value=value, low=-10.0, high=10.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="this benchmark, after Shor 1985, Minimization Methods for Non-Differentiable Functions",
    offers=("deterministic",),
)
def kink(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Minimise a sum of absolute values and a maximum: the gradient jumps and does not shrink near the minimum.

    Args:
        seed: Draws the start, uniform in [-10, 10]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
