"""The Gaussian likelihood of a precision B B^T whose factor B lies in a group of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.tables import second_moment
from rmobench.tasks.streams import stream
from rmobench.types import Problem

STRUCTURES = ("diagonal", "arrow", "lower_triangular")
"""Groups of matrices, closed under products: no, the first, or all columns may have entries off the diagonal."""


def negative_log_likelihood(B: Tensor, S: Tensor, support: Tensor) -> Tensor:
    """Return tr(S B B^T) - log det B B^T; [n, n] each. Entries of B off the support are taken for 0."""
    B = B * support
    value: Tensor = ((S @ B) * B).sum() - 2.0 * torch.linalg.slogdet(B).logabsdet
    return value


def support_of(structure: str, *, dim: int, dense_columns: int) -> Tensor:
    """Return 1 where a matrix of the group may have an entry, else 0; [n, n]."""
    ones = torch.ones(dim, dim, dtype=torch.float64)
    if structure == "lower_triangular":
        return ones.tril()
    support = ones.diagonal().diag()
    if structure == "arrow":
        support[:, :dense_columns] = 1.0
    return support


def best_factor(S: Tensor, support: Tensor) -> Tensor:
    """Return a minimiser B [n, n]: with v = S_II^-1 e_j for the support I of column j, b_j = v / v_j^(1/2).

    Of lower triangular B the value is the sum over columns of b^T S b - 2 log b_jj, stationary where S_II b is
    e_j / b_jj. The dense corner of an arrow is such a matrix times an orthogonal one, which has no effect: its upper
    part is left at 0.
    Source: Pourahmadi 1999, Biometrika 86(3), sec. 2 (each variable regressed on those of the same column).
    """
    B = torch.zeros_like(S)
    for j, column in enumerate(support.tril().T):
        (inside,) = column.nonzero(as_tuple=True)
        v = torch.linalg.solve(S[inside][:, inside], (inside == j).to(S))
        B[inside, j] = v / v[inside == j].sqrt()
    return B


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
    """Minimise tr(S B B^T) - log det B B^T over factors B [n, n] of one sparsity: the minimum has a closed form.

    The parameter is the whole matrix B, Euclidean: entries off the support have no effect and no gradient, and begin
    and stay at 0 with any optimizer that moves along the gradient. The buffer `support` is 1 on the others. Matrices of
    each support form a group: optimizers that need one find in it which.

    Args:
        seed: Draws the start (the logarithm of its diagonal normal of variance 1/4, its other entries normal of
            variance 1/n), and the basis of a synthetic S.
        device: Where B and S live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows, whose correlations are S: constant columns left
            out, mixed with a thousandth of the identity where they are rank deficient.
        structure: "diagonal", "arrow" (the first columns are dense, the others diagonal) or "lower_triangular".
        dense_columns: Number of dense columns of an arrow, 0 to n.
        dim: n of a synthetic S, 1 to 512.
        cond: Condition number of a synthetic S, its eigenvalues evenly spread on the log scale up to 1.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A structure, a dimension or a condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if structure not in STRUCTURES:
        raise ArgumentError(
            f"structured_precision: got structure={structure!r}, expected one of {', '.join(STRUCTURES)}."
        )
    S = second_moment("structured_precision", data, dim=dim, cond=cond, generator=stream(seed, "instance"))
    n = len(S)
    if not 0 <= dense_columns <= n:
        raise ArgumentError(f"structured_precision: got dense_columns={dense_columns}, expected 0 to {n}.")
    support = support_of(structure, dim=n, dense_columns=dense_columns)
    return spd_problem(
        negative_log_likelihood,
        {"S": S, "support": support},
        optimum=negative_log_likelihood(best_factor(S, support), S, support).item(),
        start={"B": drawn(support, stream(seed, "init"))},
        curved=(),
        device=device,
        dtype=dtype,
    )


def drawn(support: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random matrix of the group [n, n], its diagonal positive."""
    normal = torch.randn(support.shape, generator=generator, dtype=torch.float64)
    entries = normal * support / len(support) ** 0.5
    member: Tensor = entries - entries.diagonal().diag() + (0.5 * normal.diagonal()).exp().diag()
    return member
