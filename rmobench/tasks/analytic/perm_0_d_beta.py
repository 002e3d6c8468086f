"""The Perm function (0, d, beta): d powers of all the coordinates at once, the minimum at 1/i."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.types import Problem

DIM_MAX = 70  # the value reaches d^(2 d): some dimensions beyond 70 it leaves the range of float64


def value(x: Tensor, beta: float = 10.0) -> Tensor:
    """Sum over i of (sum over j of (j + beta) (x_j^i - j^-i))^2; [..., d] -> [...]."""
    j = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    i = j.unsqueeze(-1)  # [d, 1] against j along the last axis
    inner = (j + beta) * (x.unsqueeze(-2).pow(i) - j.pow(-i))
    return inner.sum(-1).square().sum(-1)


def function(dim: int, *, beta: float = 10.0) -> Function:
    """Describe the function in `dim` dimensions.

    Domain [-d, d]^d; minimum 0 at x_i = 1/i.
    """
    check_dim("perm_0_d_beta", dim, high=DIM_MAX)
    if not 0.0 < beta < float("inf"):
        raise ArgumentError(f"perm_0_d_beta: got beta={beta}, expected a finite, positive number.")
    minimiser = 1.0 / torch.arange(1, dim + 1, dtype=torch.float64)
    return Function(value=lambda x: value(x, beta), low=-float(dim), high=float(dim), minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Neumaier, Global optimization test problems; "
    "Surjanovic, Bingham, Virtual Library of Simulation Experiments",
    offers=("deterministic", "second_order"),
)
def perm_0_d_beta(seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10, beta: float = 10.0) -> Problem:
    """Descend a badly conditioned polynomial of degree 2 d that couples all coordinates.

    Args:
        seed: Draws the start, uniform in [-d, d]^d.
        device: Where x lives.
        dtype: Storage precision of x; float32 holds the value at the start up to some 14 dimensions.
        dim: Length d of x, at most 70. The square of a gradient overflows beyond 40.
        beta: Added to the weights, positive: the larger, the less the coordinates differ.
    """
    return problem(function(dim, beta=beta), seed=seed, device=device, dtype=dtype)
