"""A few dense columns beside a diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature.entries import (
    column_squares,
    diagonal_shifted,
    log_abs,
    log_abs_det,
    matrix_trace,
    sum_of_squares,
)
from rmobench.curvature.storage import check_dimension, check_rows, check_size, check_square
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class Arrow:
    """Matrices [[S, 0], [C, D]] with S [k, k] and D diagonal: k dense columns first; all are dense where p <= k.

    Closed under products, as [[S, 0], [C, D]] [[S', 0], [C', D']] = [[S S', 0], [C S' + D C', D D']]. A A^T is a
    matrix of rank k plus a diagonal one, its inverse an arrow. The transposed group, k dense rows first, is
    `Hierarchical(k, 0)`: there A A^T is the arrow.
    Storage: columns [p, k] = [S; C] and d [p - k]. Room: k p, and m p for rows.

    Source: Lin et al. 2021, ICML, arXiv 2102.07405 (block triangular groups).
    """

    k: int = 1

    def __post_init__(self) -> None:
        check_size("Arrow", "k", self.k, least=1)

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension("Arrow", p)
        k = min(self.k, p)
        return torch.eye(p, k, dtype=dtype, device=device), torch.ones(p - k, dtype=dtype, device=device)

    def project(self, M: Tensor) -> Factor:
        """Return S and D of M, and twice its C."""
        check_square("Arrow", M)
        columns = M[:, : self.k].clone()
        columns[self.k :] *= 2.0
        return columns, M.diagonal()[self.k :].clone()

    def project_gram(self, Y: Tensor) -> Factor:
        """Return Pi(Y^T Y)."""
        check_rows("Arrow.project_gram", Y)
        columns = Y.mT @ Y[:, : self.k]
        columns[self.k :] *= 2.0
        return columns, column_squares(Y[:, self.k :])

    def gram(self, A: Factor) -> Factor:
        """Return Pi(A^T A), where A^T A = [[S^T S + C^T C, C^T D], [D C, D^2]]."""
        columns, d = A
        return torch.cat([columns.mT @ columns, 2.0 * d[:, None] * columns[self.k :]]), d.square()

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return A^T G / 2 on the entries of an arrow, its corner symmetric, below it twice."""
        (columns, d), (columns_, d_) = A, G
        corner = columns.mT @ columns_
        return torch.cat([0.25 * (corner + corner.mT), d[:, None] * columns_[self.k :]]), 0.5 * (d * d_)

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return N + c I."""
        columns, d = N
        return diagonal_shifted(columns, c), d + c

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        (columns, d), (columns_, d_) = A, B
        product = columns @ columns_[: self.k]
        product[self.k :] += d[:, None] * columns_[self.k :]
        return product, d * d_

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        columns, d = A
        check_rows("Arrow.times", Y, len(columns))
        return torch.cat([Y @ columns, Y[:, self.k :] * d], dim=1)

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        columns, d = A
        check_rows("Arrow.times_transposed", Y, len(columns))
        product = Y[:, : self.k] @ columns.mT
        product[:, self.k :] += Y[:, self.k :] * d
        return product

    def trace(self, N: Factor) -> Tensor:
        """Return tr N."""
        columns, d = N
        return matrix_trace(columns) + d.sum()

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A)."""
        return sum_of_squares(*A)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal."""
        columns, d = A
        return torch.cat([columns.diagonal(), d])

    def logabsdet(self, A: Factor) -> Tensor:
        """Return log |det S| + log |det D|, by elimination within S in float32 or wider."""
        columns, d = A
        return log_abs_det(columns[: self.k]) + log_abs(d)

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""
        columns, d = A
        right = torch.cat([d.new_zeros(columns.shape[1], len(d)), torch.diag(d)])
        return torch.cat([columns, right], dim=1)
