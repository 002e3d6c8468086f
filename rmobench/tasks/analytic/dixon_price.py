"""The Dixon-Price function: a chain of parabolas."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem


def value(x: Tensor) -> Tensor:
    """(x_1 - 1)^2 + sum over i >= 2 of i (2 x_i^2 - x_{i-1})^2; [..., d] -> [...]."""
    i = torch.arange(2, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    chain = 2.0 * x[..., 1:].square() - x[..., :-1]
    return (x[..., 0] - 1.0).square() + (i * chain.square()).sum(-1)


def function(dim: int) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-10, 10]^d; minimum 0 at x_i = 2^(2^(1 - i) - 1), with either sign of x_d. At (1/3, 0, ..., 0) the value is
    2/3 and the slope 0; the way down from there is flat to the order 2^(d - 1).
    """
    check_dim("dixon_price", dim)
    i = torch.arange(1, dim + 1, dtype=torch.float64)
    minimiser = torch.exp2(torch.exp2(1.0 - i) - 1.0)
    return Function(value=value, low=-10.0, high=10.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Dixon, Price 1989, JOTA 60(2); Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def dixon_price(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10) -> Problem:
    """Follow a chain of parabolas past a degenerate stationary point of value 2/3, a trap in practice.

    Args:
        seed: Draws the start, uniform in [-10, 10]^d.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
    """
    return problem(function(dim), seed=seed, device=device, dtype=dtype)
