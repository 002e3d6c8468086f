"""Gaussian variational inference with a precision B B^T whose factor B lies in a group of matrices."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.structured_support import SUPPORTS, drawn, support_of
from rmobench.tasks.covariance.valley import VALLEYS, Walls
from rmobench.tasks.covariance.variational import DENSE, SHARPNESS, drawn_mean, lowest_known, negative_elbo
from rmobench.tasks.streams import stream
from rmobench.types import Problem

WHOLE = ("dense", "lower_triangular", "upper_triangular")
"""Groups in which every precision has a factor."""

BLOCK = 2
"""Columns of a block."""


def support_in(structure: str, dim: int) -> Tensor:
    """Return the support [d, d] that the task gives a structure: blocks of 2, or 1 dense column or row on a side."""
    return support_of(structure, dim=dim, dense_columns=BLOCK if structure == "block_diagonal" else 1)


def of_factor(
    mean: Tensor, B: Tensor, weights: Tensor, centres: Tensor, support: Tensor, *, walls: Walls, temperature: float
) -> Tensor:
    """Return `negative_elbo` of a mean [d] and a factor B [d, d], whose entries off the support are taken for 0."""
    return negative_elbo(mean, B * support, weights, centres, walls=walls, temperature=temperature)


@task(
    family="covariance",
    source="Lin, Nielsen, Khan, Schmidt 2021, ICML, arXiv 2102.07405",
    offers=("deterministic", "second_order", "matrix_parameters", "matrix_group", "gaussian"),
)
def structured_gaussian_vi(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    function: str = "banana",
    structure: str = "lower_triangular",
    dim: int = 5,
    temperature: float = 1.0,
) -> Problem:
    """Minimise E_q l(w) - temperature * entropy(q) over normal distributions q = N(mean [d], (B B^T)^-1).

    The task `gaussian_vi` with factors B [d, d] of one sparsity, as `structured_precision` has them: entries off the
    support have no effect and no gradient. Every precision has a dense and a triangular factor; diagonal ones make the
    mean field approximation, arrows a precision of rank 1 plus a diagonal one. The lowest values, with their
    provenance, are in targets/gaussian_vi.json. Of "banana" they are one: its best normal distribution has independent
    coordinates. Of "rosenbrock" at temperature 1 in 5 or 10 dimensions, every group without all precisions has several
    minima, and many starts lead to a higher one.

    Args:
        seed: Draws the start: the mean standard normal, the factor the root of ten times a random one.
        device: Where mean and B live.
        dtype: Storage precision.
        function: l: "banana" or "rosenbrock".
        structure: "diagonal", "arrow" (the first column is dense, the others diagonal), "block_diagonal" (blocks of 2),
            "hierarchical" (the first row is dense, the last one but for its first entry, the others diagonal),
            "lower_triangular", "upper_triangular" or "dense".
        dim: d: 2, 5 or 10.
        temperature: Weight of the entropy: 0.1, 1 or 10.

    Raises:
        UnknownNameError: No such function.
        ArgumentError: No such structure, or no lowest value is known for these arguments.
    """
    if structure not in SUPPORTS:
        raise ArgumentError(
            f"structured_gaussian_vi: got structure={structure!r}, expected one of {', '.join(SUPPORTS)}."
        )
    known = DENSE if structure in WHOLE else structure
    optimum = lowest_known("structured_gaussian_vi", function, dim, temperature, known)
    valley = VALLEYS[function](dim)
    support, generator = support_in(structure, dim), stream(seed, "init")
    return spd_problem(
        partial(of_factor, walls=valley.walls, temperature=temperature),
        {"weights": valley.weights, "centres": valley.centres, "support": support},
        optimum=optimum,
        start={"mean": drawn_mean(dim, generator), "B": SHARPNESS**0.5 * drawn(support, generator)},
        curved=(),
        device=device,
        dtype=dtype,
    )
