"""A quadratic whose gradients carry noise of infinite variance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.streams import stream
from rmobench.types import Problem, Target

DEGREES_OF_FREEDOM = 1.5  # the mean exists, the variance is infinite
COND = 10.0


def value(x: Tensor) -> Tensor:
    """Half the sum of c_i (x_i - 1)^2, c spread evenly from 1/10 to 1 on the log scale; [..., d] -> [...]."""
    weights = torch.logspace(-math.log10(COND), 0.0, x.shape[-1], dtype=x.dtype, device=x.device)
    return 0.5 * (weights * (x - 1.0).square()).sum(-1)


def function(dim: int) -> Function:
    """Describe the function without its noise in `dim` dimensions.

    Domain [-5, 5]^d; minimum 0 at (1, ..., 1).
    """
    check_dim("heavy_tailed_noise", dim)
    minimiser = torch.ones(dim, dtype=torch.float64)
    return Function(value=value, low=-5.0, high=5.0, minimiser=minimiser, optimum=0.0)


def student_t(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw from Student's t with 1.5 degrees of freedom, float64 on the CPU.

    Source: Bailey 1994, Mathematics of Computation 62(206): the polar method, exact for any number of degrees.
    """
    nu = DEGREES_OF_FREEDOM
    u, v = (1.0 - torch.rand(2, *shape, generator=generator, dtype=torch.float64)).unbind()  # in (0, 1]
    return (nu * (u.pow(-2.0 / nu) - 1.0)).sqrt() * torch.cos(2.0 * math.pi * v)


def noises(
    dim: int, *, scale: float, generator: torch.Generator, device: torch.device, dtype: torch.dtype
) -> Iterator[Tensor]:
    """Yield the gradient noise of one batch after the other, for ever; [d] each."""
    while True:
        yield (scale * student_t((dim,), generator)).to(device, dtype)


@task(
    family="analytic",
    source="Zhang et al. 2020, Why are adaptive methods good for attention models?, NeurIPS, arXiv 1912.03194",
    offers=("stochastic", "second_order"),
    target=Target(rungs=(1e-1, 3e-2, 1e-2, 3e-3, 1e-3), headline=1e-2),
)
def heavy_tailed_noise(
    seed: int, device: torch.device, dtype: torch.dtype, *, dim: int = 10, scale: float = 0.1
) -> Problem:
    """Minimise an easy quadratic under gradient noise of infinite variance, and be judged without the noise.

    Args:
        seed: Draws the start, uniform in [-5, 5]^d, and the noise.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
        scale: Scale of the noise in every coordinate, in units of the gradient.
    """
    if not 0.0 <= scale < float("inf"):
        raise ArgumentError(f"heavy_tailed_noise: got scale={scale}, expected a finite number of at least 0.")

    def noisy(model: nn.Module, noise: Any) -> Tensor:
        x = model.get_parameter("x")
        return value(x) + torch.dot(noise, x)

    batches = noises(dim, scale=scale, generator=stream(seed, "data"), device=device, dtype=dtype)
    return problem(function(dim), seed=seed, device=device, dtype=dtype, loss=noisy, batches=batches)
