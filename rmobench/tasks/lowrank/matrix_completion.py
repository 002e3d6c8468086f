"""A matrix of low rank from some of its entries."""

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


def known_square(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return half the weighted squares of W - A; the identity [n, n], weights [n, m] and A^T [n, m] -> []."""
    eye, weights, At = batch
    errors: Tensor = model(eye) - At
    return 0.5 * (weights * errors.square()).sum()


@task(
    family="lowrank",
    source="Candes, Recht 2009, Found. Comput. Math. 9; on the manifold: Vandereycken 2013, SIAM J. Optim. 23(2)",
    offers=("deterministic", "second_order", "matrix_parameters", "low_rank_layers"),
    budget=Budget(n_calls=3000),
)
def matrix_completion(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 60,
    rank: int = 5,
    kappa: float = 10.0,
    known: float = 0.5,
    start: str = "spectral",
    size: float = 10.0,
) -> Problem:
    """Find the planted W0 from a random share of its entries; the minimum is 0, at W0.

    The loss is half the sum of the known entries' squared errors over their share: in the mean the identity's.

    Args:
        seed: Draws W0 and which entries are known ("instance") and the start ("init").
        device: Where factors and data live.
        dtype: Storage precision of both.
        dim: n of W [n, n].
        rank: r.
        kappa: Condition of W0.
        known: Share of the entries, in (0, 1].
        start: "random"; "spectral": the best approximation of the known entries over their share,
            zeros elsewhere.
        size: Norm of the random start over that of W0; a large one makes factors of very different curvature.

    Raises:
        ArgumentError: A matrix, a share or a start that does not exist.
    """
    check_shape("matrix_completion", dim, dim, rank, kappa=kappa)
    if not 0.0 < known <= 1.0:
        raise ArgumentError(f"matrix_completion: got known={known}, expected a number in (0, 1].")
    instance = stream(seed, "instance")
    W0 = planted(dim, dim, rank, kappa=kappa, generator=instance)
    weights = (torch.rand(dim, dim, generator=instance, dtype=torch.float64) < known).double() / known
    return certified_problem(
        known_square,
        (torch.eye(dim, dtype=torch.float64), weights.mT, W0.mT),
        start_named("matrix_completion", start, W0, weights * W0, rank=rank, size=size, generator=stream(seed, "init")),
        optimum=0.0,
        device=device,
        dtype=dtype,
    )
