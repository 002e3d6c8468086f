"""LoRA's start at zero, on a target without structure."""

from __future__ import annotations

import torch

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import haar
from rmobench.registry import task
from rmobench.tasks.lowrank.certified import certified_problem, check_shape, half_square
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem


@task(
    family="lowrank",
    source="Hu et al. 2022, ICLR, arXiv 2106.09685 (the start); the recursion is derived below",
    offers=("deterministic", "second_order", "matrix_parameters", "low_rank_layers"),
    budget=Budget(n_calls=3000),
)
def lora_start(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 60,
    rank: int = 5,
    kappa: float = 10.0,
    alpha: float = 1.0,
) -> Problem:
    """Minimise |W - alpha I|^2 / 2 over the matrices W of low rank from W = B A with B = 0, A random.

    The minimum alpha^2 (n - r) / 2 is at alpha times any projection of rank r, so the best point depends on the path. A
    has singular values s_i from 1 to 1 / kappa. Gradient descent on B and A with step length lr keeps their singular
    vectors: b <- b - lr s (b s - alpha) and s <- s - lr b (b s - alpha) for each. At lr = 1 / alpha one step makes
    b = s, and from then on s <- s (2 - lr s^2): it diverges where lr s^2 > 3.

    Args:
        seed: Draws A, and the basis U of the optimizers that begin with one.
        device: Where the factors live.
        dtype: Their storage precision.
        dim: n of W [n, n].
        rank: r, below n.
        kappa: Condition of the first A.
        alpha: Of the target, above 0.

    Raises:
        ArgumentError: A matrix or a target that does not exist.
    """
    check_shape("lora_start", dim, dim, rank, kappa=kappa)
    if not 0.0 < alpha < float("inf") or rank == dim:
        raise ArgumentError(f"lora_start: got alpha={alpha}, rank={rank}, expected alpha > 0 and rank < {dim}.")
    init = stream(seed, "init")
    eye = torch.eye(dim, dtype=torch.float64)
    values = torch.logspace(0.0, -1.0, rank, base=kappa, dtype=torch.float64)
    At = haar((dim, rank), init) * values @ haar((rank, rank), init).mT
    U = haar((dim, rank), init)
    return certified_problem(
        half_square,
        (eye, alpha * eye),
        (U, torch.zeros(rank, rank, dtype=torch.float64), At),
        optimum=0.5 * alpha**2 * (dim - rank),
        device=device,
        dtype=dtype,
    )
