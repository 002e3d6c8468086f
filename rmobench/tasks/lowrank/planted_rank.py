"""A matrix of low rank in a layer of another: what a wrong rank costs, and what a rank that adapts finds."""

from __future__ import annotations

import torch

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import haar
from rmobench.registry import task
from rmobench.tasks.lowrank.certified import certified_problem, check_shape, half_square, planted, random_start
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem


@task(
    family="lowrank",
    source="Izenman 1975, J. Multivariate Anal. 5(2); rank budgets: Schotthofer et al. 2022, NeurIPS, arXiv 2205.13571",
    offers=("deterministic", "second_order", "matrix_parameters", "low_rank_layers"),
    budget=Budget(n_calls=1000),
)
def planted_rank(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 60,
    rank: int = 5,
    columns: int = 12,
    kappa: float = 10.0,
    cond: float = 10.0,
) -> Problem:
    """Minimise |X (W - W0)^T|^2 / 2 over the matrices W of at most `columns` columns, W0 of a smaller or larger rank.

    With as many columns as W0 has rank, or more, the minimum is 0. With c fewer it is half the sum of the squares of
    the singular values of W0 H^1/2 beyond the c-th, H = X^T X. The gap is that to 0 for all.

    Args:
        seed: Draws X and W0 ("instance") and the start ("init").
        device: Where factors and data live.
        dtype: Storage precision of both.
        dim: n of W [n, n].
        rank: Of W0, whose singular values are evenly spread on the log scale from 1 to 1 / kappa.
        columns: Of the layer.
        kappa: Condition of W0.
        cond: Condition of H, with eigenvalues spread likewise from 1 on and random axes.

    Raises:
        ArgumentError: A matrix, a condition or a layer that does not exist.
    """
    check_shape("planted_rank", dim, dim, rank, kappa=kappa)
    check_shape("planted_rank", dim, dim, columns, kappa=kappa)
    if not 1.0 <= cond < float("inf"):
        raise ArgumentError(f"planted_rank: got cond={cond}, expected a finite number of at least 1.")
    instance, init = stream(seed, "instance"), stream(seed, "init")
    values = torch.logspace(0.0, -1.0, dim, base=cond, dtype=torch.float64)
    X = (haar((dim, dim), instance) * values.sqrt()) @ haar((dim, dim), instance).mT
    W0 = planted(dim, dim, rank, kappa=kappa, generator=instance)
    norm = torch.linalg.matrix_norm(W0).item()
    return certified_problem(
        half_square,
        (X, X @ W0.mT),
        random_start(dim, dim, columns, norm=norm, generator=init),
        optimum=0.0,
        device=device,
        dtype=dtype,
    )
