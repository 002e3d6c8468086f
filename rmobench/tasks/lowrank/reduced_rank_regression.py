"""Linear regression with coefficients of low rank."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import haar
from rmobench.registry import task
from rmobench.tasks.lowrank.certified import (
    certified_problem,
    check_shape,
    half_square,
    planted,
    start_named,
)
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem


def best(X: Tensor, Y: Tensor, rank: int) -> Tensor:
    """Return the minimiser W [m, n] of |X W^T - Y|^2 over the matrices of a rank: [W_ls H^1/2]_r H^-1/2, H = X^T X.

    The loss is |(W - W_ls) H^1/2|^2 up to a constant, W_ls that of least squares.
    Source: Izenman 1975, J. Multivariate Anal. 5(2).
    """
    values, Q = torch.linalg.eigh(X.mT @ X)
    root, inverse = (Q * values.sqrt()) @ Q.mT, (Q / values.sqrt()) @ Q.mT
    least_squares: Tensor = torch.linalg.lstsq(X, Y).solution.mT
    U, d, Vh = torch.linalg.svd(least_squares @ root, full_matrices=False)
    W: Tensor = (U[:, :rank] * d[:rank]) @ Vh[:rank] @ inverse
    return W


@task(
    family="lowrank",
    source="Izenman 1975, J. Multivariate Anal. 5(2)",
    offers=("deterministic", "second_order", "matrix_parameters", "low_rank_layers"),
    budget=Budget(n_calls=3000),
)
def reduced_rank_regression(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 60,
    rank: int = 5,
    kappa: float = 10.0,
    cond: float = 30.0,
    noise: float = 1e-3,
    start: str = "random",
    size: float = 10.0,
) -> Problem:
    """Minimise |X W^T - Y|^2 / 2 over the matrices W of low rank, Y = X W0^T + noise.

    H = X^T X has eigenvalues evenly spread on the log scale from 1 to 1 / cond and random axes, the planted W0 singular
    values from 1 to 1 / kappa. The minimum is that of the closed form, from X and Y alone.

    Args:
        seed: Draws X, W0 and the noise ("instance") and the start ("init").
        device: Where factors and data live.
        dtype: Storage precision of both.
        dim: n of W [n, n]; there are 2 n samples.
        rank: r.
        kappa: Condition of W0.
        cond: Condition of H.
        noise: Of the entries of Y, over their root mean square and over kappa.
        start: "random"; "spectral": the best approximation of Y^T X.
        size: Norm of the random start over that of W0; a large one makes factors of very different curvature.

    Raises:
        ArgumentError: A matrix, a condition or a start that does not exist.
    """
    check_shape("reduced_rank_regression", dim, dim, rank, kappa=kappa)
    if not 1.0 <= cond < float("inf") or not 0.0 <= noise < float("inf"):
        raise ArgumentError(f"reduced_rank_regression: got cond={cond}, noise={noise}, expected cond >= 1, noise >= 0.")
    instance = stream(seed, "instance")
    values = torch.logspace(0.0, -1.0, dim, base=cond, dtype=torch.float64)
    X = (haar((2 * dim, dim), instance) * values.sqrt()) @ haar((dim, dim), instance).mT
    W0 = planted(dim, dim, rank, kappa=kappa, generator=instance)
    Y = X @ W0.mT
    Y = Y + noise / kappa * Y.square().mean().sqrt() * torch.randn(Y.shape, generator=instance, dtype=torch.float64)
    W = best(X, Y, rank)
    return certified_problem(
        half_square,
        (X, Y),
        start_named(
            "reduced_rank_regression", start, W0, Y.mT @ X, rank=rank, size=size, generator=stream(seed, "init")
        ),
        optimum=0.5 * (X @ W.mT - Y).square().sum().item(),
        device=device,
        dtype=dtype,
    )
