"""Lower and upper triangular matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from rmobench.curvature.entries import diagonal_shifted, log_abs, matrix_trace, sum_of_squares
from rmobench.curvature.storage import check_dimension, check_rows, check_square
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class Triangular(ABC):
    """One triangle of a matrix, whose other one is kept as zeros: products are then plain ones.

    Storage: M [p, p]. Room: p^2, and m p for rows.
    """

    @abstractmethod
    def half(self, M: Tensor, *, strict: bool = False) -> Tensor:
        """Return M with the other triangle set to zero; with strict, the diagonal too."""

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension(type(self).__name__, p)
        return (torch.eye(p, dtype=dtype, device=device),)

    def project(self, M: Tensor) -> Factor:
        """Return the triangle with its strict part doubled: N + N^T = 2 M."""
        check_square(type(self).__name__, M)
        return (self.half(M) + self.half(M, strict=True),)

    def project_gram(self, Y: Tensor) -> Factor:
        """Return Pi(Y^T Y)."""
        check_rows(f"{type(self).__name__}.project_gram", Y)
        return self.project(Y.mT @ Y)

    def gram(self, A: Factor) -> Factor:
        """Return Pi(A^T A)."""
        return self.project_gram(*A)

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return the triangle of A^T G / 2 with its strict part doubled; entries of G in the other one do not count."""
        return self.project(A[0].mT @ (0.5 * self.half(G[0])))

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return N + c I."""
        (M,) = N
        return (diagonal_shifted(M, c),)

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        return (A[0] @ B[0],)

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        (M,) = A
        check_rows(f"{type(self).__name__}.times", Y, len(M))
        return Y @ M

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        (M,) = A
        check_rows(f"{type(self).__name__}.times_transposed", Y, len(M))
        return Y @ M.mT

    def trace(self, N: Factor) -> Tensor:
        """Return tr N."""
        return matrix_trace(*N)

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A)."""
        return sum_of_squares(*A)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal."""
        return A[0].diagonal().clone()

    def logabsdet(self, A: Factor) -> Tensor:
        """Return log |det A|, from the diagonal."""
        return log_abs(A[0].diagonal())

    def dense(self, A: Factor) -> Tensor:
        """Return A."""
        return A[0]


@final
@dataclass(frozen=True, slots=True)
class LowerTriangular(Triangular):
    """Lower triangular matrices."""

    def half(self, M: Tensor, *, strict: bool = False) -> Tensor:
        """Return the lower triangle."""
        return M.tril(-1 if strict else 0)


@final
@dataclass(frozen=True, slots=True)
class UpperTriangular(Triangular):
    """Upper triangular matrices."""

    def half(self, M: Tensor, *, strict: bool = False) -> Tensor:
        """Return the upper triangle."""
        return M.triu(1 if strict else 0)
