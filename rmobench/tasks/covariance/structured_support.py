"""Groups of matrices that are all matrices of one sparsity: their supports, and the best factor of a precision."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

SUPPORTS = (
    "diagonal",
    "arrow",
    "lower_triangular",
    "upper_triangular",
    "block_diagonal",
    "hierarchical",
    "dense",
)
"""Groups of matrices, closed under products, each with a support of its own."""


def negative_log_likelihood(B: Tensor, S: Tensor, support: Tensor) -> Tensor:
    """Return tr(S B B^T) - log det B B^T; [n, n] each. Entries of B off the support are taken for 0."""
    B = B * support
    value: Tensor = ((S @ B) * B).sum() - 2.0 * torch.linalg.slogdet(B).logabsdet
    return value


def support_of(structure: str, *, dim: int, dense_columns: int) -> Tensor:
    """Return 1 where a matrix of the group may have an entry, else 0; [n, n].

    Args:
        structure: One of SUPPORTS.
        dim: n.
        dense_columns: Of an arrow; the size of blocks, the last of which may be smaller; the number of dense rows on
            either side of a hierarchical matrix, as many as fit.
    """
    ones = torch.ones(dim, dim, dtype=torch.float64)
    i = torch.arange(dim)
    first, last = i < dense_columns, i >= max(dim - dense_columns, dense_columns)
    supports = {
        "diagonal": torch.eye(dim, dtype=torch.bool),
        "arrow": torch.eye(dim, dtype=torch.bool) | first,
        "lower_triangular": ones.tril(),
        "upper_triangular": ones.triu(),
        "block_diagonal": i[:, None] // max(dense_columns, 1) == i // max(dense_columns, 1),
        "hierarchical": torch.eye(dim, dtype=torch.bool) | first[:, None] | (last[:, None] & ~first),
        "dense": ones,
    }
    return supports[structure].double()


def reduced(support: Tensor) -> Tensor:
    """Return the support without the entries that give no further precisions: triangular in some order of the rows.

    Where B is of a group, entry [i, j] may be there only if the whole column i is part of column j: columns that have
    each other are alike. Such make a dense block, which an orthogonal matrix of the group makes triangular from the
    right without changing B B^T. Sorted by length, longest first, the others are below the diagonal.
    """
    place = support.sum(0).argsort(descending=True, stable=True).argsort()
    return support * (place[:, None] >= place)


def best_factor(S: Tensor, support: Tensor) -> Tensor:
    """Return a minimiser B [n, n]: with v = S_II^-1 e_j for the `reduced` support I of column j, b_j = v / v_j^(1/2).

    Of matrices that are triangular in some order of the rows the value is the sum over columns of
    b^T S b - 2 log b_jj, stationary where S_II b is e_j / b_jj.
    Source: Pourahmadi 1999, Biometrika 86(3), sec. 2 (each variable regressed on those of the same column).
    """
    B = torch.zeros_like(S)
    for j, column in enumerate(reduced(support).T):
        (inside,) = column.nonzero(as_tuple=True)
        v = torch.linalg.solve(S[inside][:, inside], (inside == j).to(S))
        B[inside, j] = v / v[inside == j].sqrt()
    return B


def drawn(support: Tensor, generator: Generator) -> Tensor:
    """Return a random matrix of the group [n, n], its diagonal positive."""
    normal = torch.randn(support.shape, generator=generator, dtype=torch.float64)
    entries = normal * support / len(support) ** 0.5
    member: Tensor = entries - entries.diagonal().diag() + (0.5 * normal.diagonal()).exp().diag()
    return member
