"""Lower and upper triangular Toeplitz matrices: one number per diagonal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from rmobench.curvature.entries import log_abs
from rmobench.curvature.storage import check_dimension, check_rows, check_square, wide
from rmobench.curvature.structure import Factor


@dataclass(frozen=True, slots=True)
class Toeplitz(ABC):
    """Polynomials in the shift by one row: a[j] is the number on the j-th diagonal off the main one.

    Products are those of polynomials, truncated. They, and correlations, go through the FFT, in float32 or wider
    whatever the storage, and so do the sums along diagonals.
    Storage: a [p]. Room: 2.5 (p + 1), and m times that for rows: the FFT's padding.

    Source: Lin et al. 2024, ICML, arXiv 2312.05705.
    """

    def identity(self, p: int, *, dtype: torch.dtype, device: torch.device | str) -> Factor:
        """Return the unit matrix."""
        check_dimension(type(self).__name__, p)
        return (torch.eye(1, p, dtype=dtype, device=device).reshape(p),)

    def project(self, M: Tensor) -> Factor:
        """Return the mean along each diagonal, doubled off the main one."""
        check_square(type(self).__name__, M)
        p = len(M)
        padded = torch.nn.functional.pad(wide(M), (0, p))
        diagonals = padded.as_strided((p, p), (2 * p + 1, 1))  # row i starts at M[i, i]; then zeros from the padding
        return (_doubled_means(diagonals.sum(0)).to(M.dtype),)

    def project_gram(self, Y: Tensor) -> Factor:
        """Return Pi(Y^T Y): along the j-th diagonal lies the correlation of the rows of Y with themselves at lag j."""
        check_rows(f"{type(self).__name__}.project_gram", Y)
        p = Y.shape[1]
        n = _fft_length(2 * p - 1)
        spectrum = torch.view_as_real(torch.fft.rfft(wide(Y), n=n))
        return (_doubled_means(torch.fft.irfft(spectrum.square().sum((0, 2)), n=n)[:p]).to(Y.dtype),)

    def gram(self, A: Factor) -> Factor:
        """Return Pi(A^T A): along the j-th diagonal it sums to sum_l (p - j - l) a[l] a[l + j], in either triangle."""
        a = wide(A[0])
        return (_doubled_means(_correlation(_weights(a) * a, a)).to(A[0].dtype),)

    def slope(self, A: Factor, G: Factor) -> Factor:
        """Return the tangent whose j-th number is the derivative along A Z^j over the length of its diagonal.

        Z is the shift: its powers are orthogonal in the metric, of squares 4 p at j = 0 and 2 (p - j) beyond.
        """
        sums = _correlation(wide(G[0]), wide(A[0]))  # <G, A Z^j>
        return (_doubled_means(0.5 * sums).to(A[0].dtype),)

    def shifted(self, N: Factor, c: float | Tensor) -> Factor:
        """Return N + c I."""
        a = N[0].clone()
        a[0] += c
        return (a,)

    def product(self, A: Factor, B: Factor) -> Factor:
        """Return A B."""
        return (_convolution(A[0], B[0]),)

    @abstractmethod
    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""

    @abstractmethod
    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""

    def trace(self, N: Factor) -> Tensor:
        """Return tr N."""
        (a,) = N
        return len(a) * a[0]

    def square(self, A: Factor) -> Tensor:
        """Return tr(A^T A) = sum_j (p - j) a[j]^2."""
        a = wide(A[0])
        return (_weights(a) * a.square()).sum().to(A[0].dtype)

    def diagonal(self, A: Factor) -> Tensor:
        """Return the diagonal."""
        (a,) = A
        return a[:1].repeat(len(a))

    def logabsdet(self, A: Factor) -> Tensor:
        """Return p log |a[0]|."""
        (a,) = A
        return len(a) * log_abs(a[:1])

    @abstractmethod
    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""


@final
@dataclass(frozen=True, slots=True)
class LowerToeplitz(Toeplitz):
    """Lower triangular Toeplitz matrices; a is the first column."""

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        (a,) = A
        check_rows("LowerToeplitz.times", Y, len(a))
        return _correlation(Y, a)

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        (a,) = A
        check_rows("LowerToeplitz.times_transposed", Y, len(a))
        return _convolution(Y, a)

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""
        return _lower(*A)


@final
@dataclass(frozen=True, slots=True)
class UpperToeplitz(Toeplitz):
    """Upper triangular Toeplitz matrices; a is the first row."""

    def times(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A."""
        (a,) = A
        check_rows("UpperToeplitz.times", Y, len(a))
        return _convolution(Y, a)

    def times_transposed(self, Y: Tensor, A: Factor) -> Tensor:
        """Return Y A^T."""
        (a,) = A
        check_rows("UpperToeplitz.times_transposed", Y, len(a))
        return _correlation(Y, a)

    def dense(self, A: Factor) -> Tensor:
        """Return A as [p, p]."""
        return _lower(*A).mT.contiguous()


def _weights(a: Tensor) -> Tensor:
    """Return the lengths p, p - 1, ..., 1 of the diagonals."""
    return torch.arange(len(a), 0, -1, dtype=a.dtype, device=a.device)


def _doubled_means(sums: Tensor) -> Tensor:
    """Return the means along diagonals from the sums, doubled off the main one."""
    means = sums / _weights(sums)
    means[1:] *= 2.0
    return means


def _convolution(y: Tensor, a: Tensor) -> Tensor:
    """Return z[..., j] = sum over l <= j of y[..., j - l] a[l], as y is stored."""
    n = _fft_length(2 * len(a) - 1)
    return _head(torch.fft.rfft(wide(y), n=n) * torch.fft.rfft(wide(a), n=n), n, like=y)


def _correlation(y: Tensor, a: Tensor) -> Tensor:
    """Return z[..., j] = sum over l < p - j of y[..., j + l] a[l], as y is stored."""
    n = _fft_length(2 * len(a) - 1)
    return _head(torch.fft.rfft(wide(y), n=n) * torch.fft.rfft(wide(a), n=n).conj(), n, like=y)


def _head(spectrum: Tensor, n: int, *, like: Tensor) -> Tensor:
    """Return the head of the sequence that has the spectrum, as a copy: a view would keep the padding alive."""
    sequence: Tensor = torch.fft.irfft(spectrum, n=n)
    return sequence[..., : like.shape[-1]].to(like.dtype, copy=True)


def _fft_length(least: int) -> int:
    """Return the smallest 2^i times 1, 3, 5, 9 or 15 that is not less, and even: lengths that FFTs are fast at."""
    return min(c << max(1, (-(-least // c) - 1).bit_length()) for c in (1, 3, 5, 9, 15))


def _lower(a: Tensor) -> Tensor:
    """Return the lower triangular Toeplitz matrix [p, p] with the first column a."""
    row = torch.arange(len(a), device=a.device)
    return a[(row[:, None] - row).clamp_min(0)].tril()
