"""A strict saddle with a faint way out."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.analytic.placed import placed
from rmobench.tasks.streams import stream
from rmobench.types import Problem

DISTANCE = 1e-4  # standard deviation of the start's coordinates from the saddle


def direction(dim: int, seed: int) -> Tensor:
    """Draw the way out, a unit vector uniform on the sphere, float64; [d]."""
    gaussian = torch.randn(dim, generator=stream(seed, "instance"), dtype=torch.float64)
    return gaussian / gaussian.square().sum().sqrt()


def function(dim: int, *, curvature: float, seed: int) -> Function:
    """Describe (|x|^2 - t^2) / 2 - c t^2 / 2 - t^4 / 2 + t^6 / 6 with t = w.x, w the way out, c the curvature.

    The saddle is the origin, with the Hessian's eigenvalues -c once and 1 elsewhere. The slope along w is
    t (t^4 - 2 t^2 - c): the minimisers are w and -w times the root of 1 + sqrt(1 + c), some 2/3 below the saddle.
    """
    check_dim("saddle_escape", dim)
    if not 0.0 < curvature <= 1.0:
        raise ArgumentError(f"saddle_escape: got curvature={curvature}, expected a number above 0 and up to 1.")
    way_out = direction(dim, seed)
    at = placed(way_out)

    def value(x: Tensor) -> Tensor:
        s = (x @ at(x)).square()  # t^2
        return 0.5 * (x.square().sum(-1) - s) - s * (0.5 * curvature + s * (0.5 - s / 6.0))

    s = 1.0 + math.sqrt(1.0 + curvature)
    optimum = -s * (0.5 * curvature + s * (0.5 - s / 6.0))
    return Function(value=value, low=-2.0, high=2.0, minimiser=math.sqrt(s) * way_out, optimum=optimum)


@task(
    family="analytic",
    source="this benchmark, after Dauphin et al. 2014, NeurIPS, arXiv 1406.2572; Jin et al. 2017, arXiv 1703.00887",
    offers=("deterministic", "second_order"),
)
def saddle_escape(
    seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10, curvature: float = 0.01
) -> Problem:
    """Leave a saddle whose downward curvature is a hundred times fainter than the upward ones.

    Args:
        seed: Draws the way out, and the start, normal with deviation 1e-4 around the saddle.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
        curvature: Size of the Hessian's one negative eigenvalue at the saddle, in (0, 1]; the others are 1.
    """
    chosen = function(dim, curvature=curvature, seed=seed)
    start = DISTANCE * torch.randn(dim, generator=stream(seed, "init"), dtype=torch.float64)
    return problem(chosen, seed=seed, device=device, dtype=dtype, start=start)
