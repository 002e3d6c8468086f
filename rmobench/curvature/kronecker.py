"""Kronecker products of two matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.curvature.entries import diagonal_shifted, log_abs_det, matrix_trace, sum_of_squares
from rmobench.curvature.storage import check_dimension, check_rows, check_size, check_square
from rmobench.curvature.structure import Factor
from rmobench.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Kronecker:
    """Matrices P (x) Q with P [p1, p1], Q [p2, p2], p1 p2 = p; tangents P (x) I + I (x) Q, the same pair.

    The group is closed under products, (P (x) Q)(P' (x) Q') = P P' (x) Q Q', but is no linear space: a tangent moves
    each matrix, and exp(P (x) I + I (x) Q) = exp(P) (x) exp(Q). Tangents (P + c I, Q - c I) are the same for all c;
    ours have tr(P) / p1 = tr(Q) / p2. The unit matrix as an element is (I, I), as a tangent (I / 2, I / 2).
    Storage: P and Q. Room: p1^2 + p2^2, and m p for rows.

    Source: group: Lin et al. 2021, ICML, arXiv 2102.07405; the projection is derived at `project`.

    Attributes:
        size: p1; None for the largest divisor of p up to its root.
    """

    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            check_size("Kronecker", "size", self.size, least=1)

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit element (I, I).

        Raises:
            ArgumentError: The size does not divide p.
        """
        check_dimension("Kronecker", p)
        p1, p2 = self._sizes(p)
        return torch.eye(p1, dtype=dtype, device=device), torch.eye(p2, dtype=dtype, device=device)

    def project(self, M: Tensor) -> Factor:
        """Return the tangent nearest to M, by its partial traces.

        Tangents are symmetric where P and Q are, the metric is then 4 tr(N N'), and Pi is the orthogonal projection.
        With M1 [p1, p1] the mean over Q's diagonal, M2 [p2, p2] the mean over P's, and t = tr(M) / p, it is
        M1 (x) I + I (x) M2 - t I: both partial traces agree with those of M.
        """
        check_square("Kronecker", M)
        p1, p2 = self._sizes(len(M))
        blocks = M.reshape(p1, p2, p1, p2)
        return _tangent(blocks.diagonal(dim1=1, dim2=3).mean(-1), blocks.diagonal(dim1=0, dim2=2).mean(-1))

    def project_gram(self, Y: Tensor) -> Factor:
        """Return Pi(Y^T Y): with each row of Y as a matrix [p1, p2], the means of their two Gram matrices."""
        check_rows("Kronecker.project_gram", Y)
        p1, p2 = self._sizes(Y.shape[1])
        rows = Y.reshape(len(Y), p1, p2)
        first, second = rows.transpose(0, 1).reshape(p1, -1), rows.reshape(-1, p2)
        return _tangent(first @ first.mT / p2, second.mT @ second / p1)

    def gram(self, A: Factor) -> Factor:
        """Return Pi(A^T A), where A^T A = P^T P (x) Q^T Q."""
        P, Q = A
        return _tangent(
            P.mT @ P * (sum_of_squares(Q) / len(Q)),
            Q.mT @ Q * (sum_of_squares(P) / len(P)),
        )

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return the tangent of the partial traces P^T G_P / 2 and Q^T G_Q / 2, divided as means, made symmetric."""
        (P, Q), (g, h) = A, G
        first, second = P.mT @ g / len(Q), Q.mT @ h / len(P)
        return _tangent(0.25 * (first + first.mT), 0.25 * (second + second.mT))

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return the tangent N + c I: half of c on either side."""
        P, Q = N
        return diagonal_shifted(P, c / 2.0), diagonal_shifted(Q, c / 2.0)

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B; of an element and a tangent, what the tangent adds to each matrix."""
        return tuple(a @ b for a, b in zip(A, B, strict=True))

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A: P^T y Q of each row y of Y as a matrix [p1, p2]."""
        P, Q = A
        check_rows("Kronecker.times", Y, len(P) * len(Q))
        return _each_row(P, Y, Q)

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        P, Q = A
        check_rows("Kronecker.times_transposed", Y, len(P) * len(Q))
        return _each_row(P.mT, Y, Q.mT)

    def trace(self, N: Factor) -> Tensor:
        """Return the trace of a tangent, p2 tr(P) + p1 tr(Q)."""
        P, Q = N
        return len(Q) * matrix_trace(P) + len(P) * matrix_trace(Q)

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A) of an element."""
        P, Q = A
        return sum_of_squares(P) * sum_of_squares(Q)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal of an element."""
        P, Q = A
        return torch.kron(P.diagonal(), Q.diagonal())

    def logabsdet(self, A: Factor) -> Tensor:
        """Return log |det A| of an element, by elimination in float32 or wider."""
        P, Q = A
        return len(Q) * log_abs_det(P) + len(P) * log_abs_det(Q)

    def dense(self, A: Factor) -> Tensor:
        """Return an element as [p, p]."""
        return torch.kron(*A)

    def dense_tangent(self, N: Factor) -> Tensor:
        """Return a tangent as [p, p]."""
        P, Q = N
        one = self.identity(len(P) * len(Q), dtype=P.dtype, device=P.device)
        return torch.kron(P, one[1]) + torch.kron(one[0], Q)

    def _sizes(self, p: int) -> tuple[int, int]:
        """Return p1 and p2."""
        p1 = self.size or max(i for i in range(1, math.isqrt(p) + 1) if p % i == 0)
        if p % p1:
            raise ArgumentError(
                f"Kronecker: size {p1} does not divide the dimension {p}. Leave the size out, or change it."
            )
        return p1, p // p1


def _each_row(P: Tensor, Y: Tensor, Q: Tensor) -> Tensor:
    """Return P^T y Q for each row y of Y as a matrix [p1, p2], as a row again."""
    return (P.mT @ (Y.reshape(len(Y), len(P), len(Q)) @ Q)).reshape(Y.shape)


def _tangent(M1: Tensor, M2: Tensor) -> Factor:
    """Return M1 (x) I + I (x) M2 - t I with the mean t of the diagonal of either, half of it taken from each."""
    t = M1.diagonal().mean()
    return diagonal_shifted(M1, -0.5 * t), diagonal_shifted(M2, -0.5 * t)
