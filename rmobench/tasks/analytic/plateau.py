"""A hole in a plain: the slope vanishes exponentially away from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.streams import stream
from rmobench.types import Problem

RADIUS = 3.0  # root mean square distance of the start: the value there is 1 - exp(-9)


def value(x: Tensor) -> Tensor:
    """1 - exp(-mean of (x_i - 1)^2), by expm1; [..., d] -> [...]."""
    return -torch.expm1(-(x - 1.0).square().mean(-1))


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Minimum 0 at (1, ..., 1), the only stationary point; concave along the ray to it beyond a distance of sqrt(d / 2).
    """
    check_dim("plateau", dim)
    minimiser = torch.ones(dim, dtype=torch.float64)
    return Function(value=value, low=-4.0, high=6.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="this benchmark, after Hochreiter 1998, Int. J. Uncertainty, Fuzziness, Knowledge-Based Systems 6(2)",
    offers=("deterministic", "second_order"),
)
def plateau(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Cross a plain where the slope is a thousand times smaller than at the rim of the hole.

    Args:
        seed: Draws the start, uniform on the sphere of radius 3 sqrt(d) around the minimum.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    chosen = function(dim)
    gaussian = torch.randn(dim, generator=stream(seed, "init"), dtype=torch.float64)
    start = 1.0 + RADIUS * math.sqrt(dim) * gaussian / gaussian.square().sum().sqrt()
    return problem(chosen, seed=seed, device=device, dtype=dtype, start=start)
