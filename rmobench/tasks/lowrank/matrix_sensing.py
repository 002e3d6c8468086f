"""A matrix of low rank from products with pairs of random vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.lowrank.certified import (
    certified_problem,
    check_shape,
    planted,
    start_named,
)
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem


def mean_square(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return half the mean of (a_i^T W b_i - y_i)^2; b [N, n], a [N, m], y [N] -> []."""
    b, a, y = batch
    products: Tensor = (model(b) * a).sum(-1)
    return 0.5 * (products - y).square().mean()


@task(
    family="lowrank",
    source="Recht, Fazel, Parrilo 2010, SIAM Review 52(3); pairs: Zhong, Jain, Dhillon 2015, ALT, arXiv 1504.06006",
    offers=("deterministic", "second_order", "matrix_parameters", "low_rank_layers"),
    budget=Budget(n_calls=3000),
)
def matrix_sensing(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 60,
    rank: int = 5,
    kappa: float = 10.0,
    oversampling: float = 6.0,
    start: str = "spectral",
    size: float = 10.0,
) -> Problem:
    """Find the planted W0 from y_i = a_i^T W0 b_i with standard normal a_i and b_i; the minimum is 0, at W0.

    Args:
        seed: Draws W0 and the pairs ("instance") and the start ("init").
        device: Where factors and data live.
        dtype: Storage precision of both.
        dim: n of W [n, n].
        rank: r.
        kappa: Condition of W0.
        oversampling: Measurements over the r (2 n - r) degrees of freedom, at least 1.
        start: "random"; "spectral": the best approximation of the mean of y_i a_i b_i^T.
        size: Norm of the random start over that of W0; a large one makes factors of very different curvature.

    Raises:
        ArgumentError: A matrix, a number of measurements or a start that does not exist.
    """
    check_shape("matrix_sensing", dim, dim, rank, kappa=kappa)
    if not 1.0 <= oversampling <= 100.0:
        raise ArgumentError(f"matrix_sensing: got oversampling={oversampling}, expected 1 to 100.")
    instance = stream(seed, "instance")
    W0 = planted(dim, dim, rank, kappa=kappa, generator=instance)
    n_samples = round(oversampling * rank * (2 * dim - rank))
    a, b = (torch.randn(n_samples, dim, generator=instance, dtype=torch.float64) for _ in range(2))
    y = (b @ W0.mT * a).sum(-1)
    guess = a.mT @ (b * y.unsqueeze(-1)) / n_samples
    return certified_problem(
        mean_square,
        (b, a, y),
        start_named("matrix_sensing", start, W0, guess, rank=rank, size=size, generator=stream(seed, "init")),
        optimum=0.0,
        device=device,
        dtype=dtype,
    )
