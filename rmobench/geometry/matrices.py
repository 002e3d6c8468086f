"""Small pieces of matrix algebra.

The decompositions let NaN through instead of raising, so that a divergence shows as NaN at the judge.
"""

from __future__ import annotations

import torch
from torch import Tensor


def identity(a: Tensor) -> Tensor:
    """Return the identity [p, p] that goes with a [..., p, p]."""
    return torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)


def symmetric(a: Tensor) -> Tensor:
    """Return (a + a^T) / 2."""
    return (a + a.mT).mul_(0.5)  # the sum is its own: no second matrix


def minus_product(u: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return u - a b; of single matrices without room for the product."""
    return torch.addmm(u, a, b, alpha=-1) if u.ndim == a.ndim == b.ndim == 2 else u - a @ b


def cholesky(a: Tensor) -> Tensor:
    """Return L with a = L L^T, from the lower triangle of a; NaN where a is not positive definite."""
    L, info = torch.linalg.cholesky_ex(a)
    return torch.where((info == 0)[..., None, None], L, torch.nan)


def eigh(a: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues [..., p] and eigenvectors [..., p, p] of a symmetric a; NaN where a is not finite."""
    finite = all_finite(a)
    values, vectors = torch.linalg.eigh(torch.where(finite, a, identity(a)))
    return torch.where(finite.squeeze(-1), values, torch.nan), torch.where(finite, vectors, torch.nan)


def svd(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return U [..., n, k], S [..., k], V^T [..., k, p] with k = min(n, p); NaN where a is not finite."""
    finite = all_finite(a)
    U, S, Vh = torch.linalg.svd(torch.where(finite, a, 1.0), full_matrices=False)
    return (
        torch.where(finite, U, torch.nan),
        torch.where(finite.squeeze(-1), S, torch.nan),
        torch.where(finite, Vh, torch.nan),
    )


def all_finite(a: Tensor) -> Tensor:
    """Return which matrices have finite entries only, [..., 1, 1]."""
    return a.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
