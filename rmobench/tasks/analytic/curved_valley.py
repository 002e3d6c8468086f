"""A narrow valley that winds through all the dimensions at once."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.streams import stream
from rmobench.types import Problem

STIFFNESS = 100.0  # curvature of the walls; along the floor it is 1


def floor(t: Tensor, dim: int) -> Tensor:
    """Return the other coordinates of the valley's floor where the first one is t: sin(w_i t), w from 3 down to 1.

    Args:
        t: First coordinate [...].
        dim: Length d of x.

    Returns:
        [..., d - 1]; no linear subspace contains the curve.
    """
    frequencies = torch.linspace(3.0, 1.0, dim - 1, dtype=t.dtype, device=t.device)
    return torch.sin(frequencies * t.unsqueeze(-1))


def value(x: Tensor) -> Tensor:
    """x_1^2 / 2 plus 50 times the squared distance of (x_2, ..., x_d) from the floor; [..., d] -> [...]."""
    t, walls = x[..., 0], x[..., 1:]
    return 0.5 * (t.square() + STIFFNESS * (walls - floor(t, x.shape[-1])).square().sum(-1))


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Minimum 0 at the origin, the only stationary point: off the floor a wall pushes, on it the first coordinate does.
    """
    check_dim("curved_valley", dim)
    minimiser = torch.zeros(dim, dtype=torch.float64)
    return Function(value=value, low=-5.0, high=5.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="this benchmark, after Rosenbrock 1960, Computer Journal 3(3); Fletcher, Powell 1963, Computer Journal 6(2)",
    offers=("deterministic", "second_order"),
)
def curved_valley(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Follow a winding valley whose walls are a hundred times stiffer than its floor, from a start on the floor.

    Args:
        seed: Draws the start: the first coordinate uniform in [4, 5], the others on the floor.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    chosen = function(dim)
    t = 4.0 + torch.rand((), generator=stream(seed, "init"), dtype=torch.float64)
    start = torch.cat([t.reshape(1), floor(t, dim)])
    return problem(chosen, seed=seed, device=device, dtype=dtype, start=start)
