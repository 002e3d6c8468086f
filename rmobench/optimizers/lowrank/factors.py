"""A matrix of low rank by its factors, the products of a gradient with them, and cutting back to fewer columns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.geometry import qr_factor
from rmobench.geometry.matrices import svd


@dataclass(frozen=True, slots=True)
class Factors:
    """W = U S V^T [m, n]; U [m, k] and V [n, k] orthonormal, S [k, k]; float32 or wider."""

    U: Tensor
    S: Tensor
    V: Tensor

    @property
    def rank(self) -> int:
        """Return k."""
        return self.S.shape[-1]


@dataclass(frozen=True, slots=True)
class Sides:
    """What a method sees of the gradient G [m, n] of W: all that a step along the manifold needs, and never G."""

    left: Tensor  # G V [m, k]
    right: Tensor  # G^T U [n, k]


def orthonormal(a: Tensor) -> tuple[Tensor, Tensor]:
    """Return Q [m, k] and R = Q^T a [k, k] with a = Q R; Q is a itself, to rounding, where a is orthonormal."""
    Q = qr_factor(a)
    return Q, Q.mT @ a


def truncated(U: Tensor, core: Tensor, V: Tensor, *, tolerance: float, most: int) -> tuple[Factors, Tensor, Tensor]:
    """Cut U core V^T, U and V orthonormal with l columns, to its largest singular values.

    Args:
        U: [m, l].
        core: [l, l'].
        V: [n, l'].
        tolerance: As many values go as have together at most this share of the norm of all; at 0 none but for `most`.
        most: Values that stay at most; 1 stays at least.

    Returns:
        The factors, S diagonal, and the rotations P [l, k], Q [l', k] with U P and V Q the new bases.
    """
    P, d, Qh = _decomposed(core)
    k = min(most, len(d))
    if tolerance > 0.0:
        k = min(k, _n_kept(d, tolerance))
    P, Q = P[:, :k], Qh[:k].mT
    return Factors(U @ P, torch.diag(d[:k]), V @ Q), P, Q


def _decomposed(core: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the singular value decomposition, NaN where the core is not finite; asked once, as this is every step."""
    if bool(core.isfinite().all()):
        P, d, Qh = torch.linalg.svd(core, full_matrices=False)
        return P, d, Qh
    return svd(core)


def _n_kept(d: Tensor, tolerance: float) -> int:
    """Return the smallest k >= 1 with |d[k:]| <= tolerance |d|; all of d where it is not a number."""
    tails = d.square().flip(0).cumsum(0).flip(0).sqrt()  # |d[i:]|
    return max(1, len(d) - int((tails <= tolerance * tails[0]).sum()))
