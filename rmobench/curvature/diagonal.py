"""Diagonal matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature.entries import column_squares, log_abs, sum_of_squares
from rmobench.curvature.storage import check_dimension, check_rows, check_square
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Diagonal matrices.

    Storage: d [p]. Room: p, and m p for rows.
    """

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension("Diagonal", p)
        return (torch.ones(p, dtype=dtype, device=device),)

    def project(self, M: Tensor) -> Factor:
        """Return the diagonal of M."""
        check_square("Diagonal", M)
        return (M.diagonal().clone(),)

    def project_gram(self, Y: Tensor) -> Factor:
        """Return the squared lengths of the columns of Y."""
        check_rows("Diagonal.project_gram", Y)
        return (column_squares(Y),)

    def gram(self, A: Factor) -> Factor:
        """Return A^2."""
        return (A[0].square(),)

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return A G / 2."""
        return (0.5 * (A[0] * G[0]),)

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return N + c I."""
        return (N[0] + c,)

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        return (A[0] * B[0],)

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        (d,) = A
        check_rows("Diagonal.times", Y, len(d))
        return Y * d

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        (d,) = A
        check_rows("Diagonal.times_transposed", Y, len(d))
        return Y * d

    def trace(self, N: Factor) -> Tensor:
        """Return tr N."""
        return N[0].sum()

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^2)."""
        return sum_of_squares(*A)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal."""
        return A[0]

    def logabsdet(self, A: Factor) -> Tensor:
        """Return the sum of log |d|."""
        return log_abs(*A)

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""
        return torch.diag(A[0])
