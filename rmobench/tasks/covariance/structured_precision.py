"""The Gaussian likelihood of a precision B B^T whose factor B lies in a group of matrices."""

from __future__ import annotations

import torch

from rmobench.errors import ArgumentError
from rmobench.models import MatrixGroup
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.structured_storage import (
    KRONECKER,
    TOEPLITZ,
    best_kronecker,
    best_toeplitz,
    kronecker_likelihood,
    toeplitz_likelihood,
)
from rmobench.tasks.covariance.structured_support import (
    SUPPORTS,
    best_factor,
    drawn,
    negative_log_likelihood,
    support_of,
)
from rmobench.tasks.covariance.tables import second_moment
from rmobench.tasks.streams import stream
from rmobench.types import Problem

STRUCTURES = (*SUPPORTS, *TOEPLITZ, KRONECKER)
"""Groups of matrices, closed under products."""


@task(
    family="covariance",
    source="Lin, Nielsen, Khan, Schmidt 2021, ICML, arXiv 2102.07405; data: Wolberg et al. 1995",
    offers=("deterministic", "second_order", "matrix_parameters", "matrix_group"),
    data=True,
)
def structured_precision(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "breast_cancer",
    structure: str = "arrow",
    dense_columns: int = 5,
    dim: int = 16,
    cond: float = 100.0,
) -> Problem:
    """Minimise tr(S B B^T) - log det B B^T over factors B [n, n] in a group of matrices: the minimum is certified.

    For groups with a support the parameter is the whole matrix B, Euclidean: entries off the support have no effect and
    no gradient, and begin and stay at 0 with any optimizer that moves along the gradient. The buffer `support` is 1 on
    the others: optimizers that need a group find in it which. The minimum has a closed form. It is the same for dense
    and both triangular groups, in which every precision has a factor.
    Toeplitz matrices are parametrised by their numbers a [n], the first column or row, for which the problem is convex
    with a closed form; Kronecker products by P [p, p] and Q [q, q], the optimum being the one fixed point of best
    responses. A `MatrixGroup` in the model names the group.

    Args:
        seed: Draws the start (the logarithm of its diagonal normal of variance 1/4, its other entries normal of
            variance 1/n), and the basis of a synthetic S.
        device: Where B and S live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows, whose correlations are S: constant columns left
            out, mixed with a thousandth of the identity where they are rank deficient.
        structure: "diagonal", "arrow" (the first columns are dense, the others diagonal), "lower_triangular",
            "upper_triangular", "block_diagonal", "hierarchical" (dense rows around a diagonal), "dense",
            "lower_toeplitz", "upper_toeplitz" or "kronecker".
        dense_columns: How large the dense parts are, 0 to n: the number of dense columns of an arrow, of columns of a
            block (1 or more), of dense rows on either side of a hierarchical matrix, of columns of P (a divisor of n).
        dim: n of a synthetic S, 1 to 512.
        cond: Condition number of a synthetic S, its eigenvalues evenly spread on the log scale up to 1.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A structure, a size of it, a dimension or a condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if structure not in STRUCTURES:
        raise ArgumentError(
            f"structured_precision: got structure={structure!r}, expected one of {', '.join(STRUCTURES)}."
        )
    S = second_moment("structured_precision", data, dim=dim, cond=cond, generator=stream(seed, "instance"))
    n, generator = len(S), stream(seed, "init")
    least = 1 if structure in ("block_diagonal", KRONECKER) else 0
    if not least <= dense_columns <= n:
        raise ArgumentError(f"structured_precision: got dense_columns={dense_columns}, expected {least} to {n}.")
    if structure in TOEPLITZ:
        moments = S if structure == "lower_toeplitz" else S.flip(0, 1)
        return spd_problem(
            toeplitz_likelihood,
            {"S": moments},
            optimum=toeplitz_likelihood(best_toeplitz(moments), moments).item(),
            start={"a": drawn(support_of("lower_triangular", dim=n, dense_columns=0), generator)[:, 0]},
            curved=(),
            group=MatrixGroup(structure, "a", n=n),
            device=device,
            dtype=dtype,
        )
    if structure == KRONECKER:
        if n % dense_columns:
            raise ArgumentError(
                f"structured_precision: got dense_columns={dense_columns}, expected a divisor of {n} for Kronecker "
                "products."
            )
        sizes = {"P": dense_columns, "Q": n // dense_columns}
        return spd_problem(
            kronecker_likelihood,
            {"S": S},
            optimum=kronecker_likelihood(*best_kronecker("structured_precision", S, dense_columns), S).item(),
            start={name: drawn(torch.ones(p, p, dtype=torch.float64), generator) for name, p in sizes.items()},
            curved=(),
            group=MatrixGroup(KRONECKER, "P", "Q", n=n, size=dense_columns),
            device=device,
            dtype=dtype,
        )
    support = support_of(structure, dim=n, dense_columns=dense_columns)
    return spd_problem(
        negative_log_likelihood,
        {"S": S, "support": support},
        optimum=negative_log_likelihood(best_factor(S, support), S, support).item(),
        start={"B": drawn(support, generator)},
        curved=(),
        device=device,
        dtype=dtype,
    )
