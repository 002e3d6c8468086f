"""Functions of the eigenvalues of positive definite matrices; NaN where they are not, float32 or wider."""

from __future__ import annotations

from torch import Tensor

from rmobench.geometry.matrices import cholesky, eigh, symmetric
from rmobench.geometry.storage import wide


def eigenvalues(a: Tensor) -> Tensor:
    """Return those of the symmetric part of a, ascending; [..., n, n] -> [..., n]."""
    return eigh(symmetric(wide(a)))[0]


def log_determinant(x: Tensor) -> Tensor:
    """Return log det x; [..., n, n] -> [...]."""
    return 2.0 * cholesky(wide(x)).diagonal(dim1=-2, dim2=-1).log().sum(-1)


def whiteners(matrices: Tensor) -> Tensor:
    """Return matrices W with W M W^T = I, so that W x W^T has the eigenvalues of M^-1 x; [..., n, n]."""
    L = cholesky(matrices)
    inverse: Tensor = L.inverse()
    return inverse


def square_distances(x: Tensor, whiteners: Tensor) -> Tensor:
    """Return |log(M^-1/2 x M^-1/2)|^2, the square of the affine-invariant distance; [..., n, n] twice -> [...].

    Source: Pennec, Fillard, Ayache 2006, Int. J. Comput. Vis. 66(1), sec. 3.3.
    """
    return eigenvalues(whiteners @ x @ whiteners.mT).log().square().sum(-1)
