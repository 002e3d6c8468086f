"""A classical function in the unit box, as it is or shifted and rotated."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, problem
from rmobench.tasks.analytic.instances import draw_instance, function_named
from rmobench.tasks.streams import stream
from rmobench.types import Problem


@task(
    family="analytic",
    source="The 18 functions of Surjanovic, Bingham, Virtual Library of Simulation Experiments; "
    "rotation and shift: Hansen et al. 2009, BBOB, INRIA RR-6829",
    offers=("deterministic", "second_order"),
)
def unit_box(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    function: str = "rosenbrock",
    dim: int = 10,
    shifted: bool = False,
    rotated: bool = False,
) -> Problem:
    """Minimise f(y(x)) / (f(y(start)) - f*) over x, with y affine and the function's domain the box [-1, 1]^d.

    Args:
        seed: Draws the start, uniform in [-1, 1]^d, and the instance.
        device: Where x lives.
        dtype: Storage precision of x.
        function: Name of one of the 18 classical functions.
        dim: Length d of x.
        shifted: Put the minimiser uniformly into [-0.5, 0.5]^d.
        rotated: Turn the axes about the minimiser by a uniform random rotation.
    """
    own = function_named(function, dim)
    if own.only_inside and (shifted or rotated):
        raise ArgumentError(
            f"unit_box: {function} has its minimum inside its domain only; it is not shifted or rotated."
        )
    instance = draw_instance(own, stream(seed, "instance"), shifted=shifted, rotated=rotated)
    start = 2.0 * torch.rand(dim, generator=stream(seed, "init"), dtype=torch.float64) - 1.0
    height = own.value(instance.own(start)).item() - own.optimum

    def value(x: Tensor) -> Tensor:
        return own.value(instance.own(x)) / height

    unit = Function(
        value=value,
        low=-1.0,
        high=1.0,
        minimiser=instance.centre,
        optimum=own.optimum / height,
        only_inside=own.only_inside,
    )
    return problem(unit, seed=seed, device=device, dtype=dtype, start=start)
