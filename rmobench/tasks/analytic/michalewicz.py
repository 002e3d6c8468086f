"""The Michalewicz function: steep valleys between plateaus."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem

POWER = 20  # 2 m with the usual m = 10


def value(x: Tensor) -> Tensor:
    """Minus the sum of sin(x_i) sin^20(i x_i^2 / pi); [..., d] -> [...]."""
    i = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    return -(torch.sin(x) * torch.sin(i * x.square() / math.pi).pow(POWER)).sum(-1)


def minimise(dim: int) -> Tensor:
    """Minimise every coordinate's own function over [0, pi], in float64; [d].

    The valleys of coordinate i lie near i x^2 / pi = pi (k + 1/2), and the deepest is one of those next to the peak of
    sin(x) at pi / 2, that is k near i / 4. Newton's method on log sin(x) + 20 log sin(i x^2 / pi) polishes them.
    """
    i = torch.arange(1, dim + 1, dtype=torch.float64).unsqueeze(-1)  # [d, 1]
    k = torch.floor(i / 4) + torch.arange(-2, 3, dtype=torch.float64)  # [d, 5]
    x = math.pi * ((k.clamp_min(0.0).minimum(i - 1) + 0.5) / i).sqrt()
    for _ in range(20):
        angle, speed = i * x.square() / math.pi, 2.0 * i * x / math.pi
        slope = 1.0 / torch.tan(x) + POWER * speed / torch.tan(angle)
        bend = -(torch.sin(x) ** -2) + POWER * (2.0 * i / math.pi / torch.tan(angle) - (speed / torch.sin(angle)) ** 2)
        x = x - slope / bend
    depth = torch.sin(x) * torch.sin(i * x.square() / math.pi).pow(POWER)
    return x.gather(-1, depth.argmax(-1, keepdim=True)).squeeze(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [0, pi]^d; the minimum (-1.8013 for d = 2, -9.66015 for d = 10) is computed, and holds inside only.
    """
    check_dim("michalewicz", dim)
    minimiser = minimise(dim)
    return Function(
        value=value, low=0.0, high=math.pi, minimiser=minimiser, optimum=value(minimiser).item(), only_inside=True
    )


@task(
    family="analytic",
    source="Michalewicz 1992, Genetic Algorithms + Data Structures = Evolution Programs; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def michalewicz(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Find the steep valleys in plateaus without slope; d! local minima.

    Args:
        seed: Draws the start, uniform in [0, pi]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
