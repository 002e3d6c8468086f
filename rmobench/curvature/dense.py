"""All matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature.entries import diagonal_shifted, log_abs_det, matrix_trace, sum_of_squares
from rmobench.curvature.storage import check_dimension, check_rows, check_square
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class Dense:
    """All invertible matrices; the tangents of a step are symmetric.

    Storage: M [p, p]. Room: p^2, and m p for rows.
    """

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension("Dense", p)
        return (torch.eye(p, dtype=dtype, device=device),)

    def project(self, M: Tensor) -> Factor:
        """Return M."""
        check_square("Dense", M)
        return (M,)

    def project_gram(self, Y: Tensor) -> Factor:
        """Return Y^T Y."""
        check_rows("Dense.project_gram", Y)
        return (Y.mT @ Y,)

    def gram(self, A: Factor) -> Factor:
        """Return A^T A."""
        (M,) = A
        return (M.mT @ M,)

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return the symmetric part of A^T G / 2."""
        H = A[0].mT @ G[0]
        return (0.25 * (H + H.mT),)

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
        check_rows("Dense.times", Y, len(M))
        return Y @ M

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        (M,) = A
        check_rows("Dense.times_transposed", Y, len(M))
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
        """Return log |det A|, by elimination in float32 or wider."""
        return log_abs_det(*A)

    def dense(self, A: Factor) -> Tensor:
        """Return A."""
        return A[0]
