"""The nearest matrix of low rank."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import haar
from rmobench.registry import task
from rmobench.tasks.lowrank.certified import certified_problem, check_shape, half_square, start_named
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem


def lowest(A: Tensor, rank: int) -> float:
    """Return the minimum of |W - A|^2 / 2 over W of a rank: half the squares of the other singular values.

    Source: Eckart, Young 1936, Psychometrika 1(3).
    """
    beyond: Tensor = torch.linalg.svdvals(A)[rank:]
    return 0.5 * beyond.square().sum().item()


@task(
    family="lowrank",
    source="Eckart, Young 1936, Psychometrika 1(3); optimization: Vandereycken 2013, SIAM J. Optim. 23(2)",
    offers=("deterministic", "second_order", "matrix_parameters", "low_rank_layers"),
    budget=Budget(n_calls=3000),
)
def low_rank_approximation(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 60,
    rank: int = 5,
    kappa: float = 10.0,
    tail: float = 0.1,
    size: float = 10.0,
) -> Problem:
    """Minimise |W - A|^2 / 2 over the matrices W of low rank; in W the Hessian is the identity.

    A has random bases, its r largest singular values evenly spread on the log scale from 1 to 1 / kappa, all others
    tail / kappa. The start is random.

    Args:
        seed: Draws A ("instance") and the start ("init").
        device: Where the factors live.
        dtype: Their storage precision.
        dim: n of W [n, n].
        rank: r.
        kappa: Condition of the best W.
        tail: Singular values beyond r over the r-th, 0 up to below 1.
        size: Norm of the start over that of A; a large one makes factors of very different curvature.

    Raises:
        ArgumentError: A matrix that does not exist.
    """
    name = "low_rank_approximation"
    check_shape(name, dim, dim, rank, kappa=kappa)
    if not 0.0 <= tail < 1.0:
        raise ArgumentError(f"{name}: got tail={tail}, expected a number in [0, 1).")
    instance = stream(seed, "instance")
    d = torch.full((dim,), tail / kappa, dtype=torch.float64)
    d[:rank] = torch.logspace(0.0, -1.0, rank, base=kappa, dtype=torch.float64)
    A = (haar((dim, dim), instance) * d) @ haar((dim, dim), instance).mT
    return certified_problem(
        half_square,
        (torch.eye(dim, dtype=torch.float64), A.mT),
        start_named(name, "random", A, A, rank=rank, size=size, generator=stream(seed, "init")),
        optimum=lowest(A, rank),
        device=device,
        dtype=dtype,
    )
