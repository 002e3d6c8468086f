"""Coordinates in units that have nothing to do with each other."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.analytic.placed import placed
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def units(dim: int, decades: float) -> Tensor:
    """Spread the coordinates' units evenly over half as many powers of ten around 1, float64; [d]."""
    return torch.logspace(-decades / 4, decades / 4, dim, dtype=torch.float64)


def function(dim: int, *, decades: float) -> Function:
    """Describe half the squared distance from 1 of x_i over its unit.

    Minimum 0 at x_i = unit i; the Hessian is diagonal, unit i to the power -2.
    """
    check_dim("bad_scaling", dim)
    if not 0.0 <= decades <= 16.0:
        raise ArgumentError(f"bad_scaling: got decades={decades}, expected a number from 0 to 16.")
    unit = units(dim, decades)
    at = placed(unit)

    def value(x: Tensor) -> Tensor:
        return 0.5 * (x / at(x) - 1.0).square().sum(-1)

    reach = 10.0 ** (decades / 4)  # the largest unit
    return Function(value=value, low=-reach, high=reach, minimiser=unit, optimum=0.0)


@task(
    family="analytic",
    source="this benchmark, after More, Garbow, Hillstrom 1981, ACM TOMS 7(1), no. 4 (Brown's badly scaled function)",
    offers=("deterministic", "second_order"),
)
def bad_scaling(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10, decades: float = 8.0) -> Problem:
    """Minimise an axis-aligned quadratic whose curvatures are up to eight powers of ten apart.

    Args:
        seed: Draws the start, standard normal in every coordinate's own unit.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
        decades: Powers of ten between the largest and the smallest curvature; the units span half as many.
    """
    chosen = function(dim, decades=decades)
    start = units(dim, decades) * torch.randn(dim, generator=stream(seed, "init"), dtype=torch.float64)
    return problem(chosen, seed=seed, device=device, dtype=dtype, start=start)
