"""Matrices of one fixed rank, with the metric of the space around them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.matrices import svd
from rmobench.geometry.storage import check_same_shape, wide


@dataclass(frozen=True, slots=True)
class FixedRank:
    """Dense matrices x [..., n, p] of rank r, with <u, v> = tr(u^T v).

    `inner` and `residual` are returned in float32 or wider, everything else as x is stored. Transport is by projection.
    Every method decomposes x afresh: meant for problems, not for speed.
    Source: Vandereycken 2013, SIAM J. Optim. 23(2).

    Args:
        rank: r, from 1 to min(n, p).
    """

    rank: int

    def __post_init__(self) -> None:
        """Refuse a rank that no matrix on the manifold has.

        Raises:
            ArgumentError: It is less than 1.
        """
        if self.rank < 1:
            raise ArgumentError(f"FixedRank: got rank={self.rank}, expected 1 or more.")

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "fixedrank"

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest matrix of rank at most r: the truncated singular value decomposition."""
        self._check("project", x)
        return self._nearest(wide(x)).to(x.dtype)

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - (I - U U^T) u (I - V V^T), U and V the singular vectors of x."""
        self._check("tangent", x, u=u)
        return self._tangent(wide(x), wide(u)).to(x.dtype)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the tangent part of g."""
        self._check("gradient", x, g=g)
        return self._tangent(wide(x), wide(g)).to(x.dtype)

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Return the Riemannian Hessian along v: the tangent part of h, plus N v^T x^+T + x^+T v^T N.

        N is the normal part of g and x^+ the pseudoinverse: a small singular value bends the manifold much.
        Source: Vandereycken 2013, sec. 2.3; Absil, Mahony, Trumpf 2013, GSI, LNCS 8085.
        """
        self._check("hessian", x, g=g, h=h, v=v)
        U, S, Vh = self._factors(wide(x))
        N = _normal(U, Vh, wide(g))
        bent = wide(v).mT @ ((U / S.unsqueeze(-2)) @ Vh)  # v^T x^+T, [..., p, p]
        turned = ((U / S.unsqueeze(-2)) @ Vh) @ wide(v).mT  # x^+T v^T, [..., n, n]
        h_ = wide(h)
        return (h_ - _normal(U, Vh, h_) + N @ bent + turned @ N).to(x.dtype)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the nearest matrix of rank at most r to x + v: exact to second order.

        Source: Absil, Malick 2012, SIAM J. Optim. 22(1).
        """
        self._check("retract", x, v=v)
        return self._nearest(wide(x) + wide(v)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the tangent part of v at y."""
        self._check("transport", x, y=y, v=v)
        return self._tangent(wide(y), wide(v)).to(x.dtype)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(u^T v), [..., 1, 1]."""
        self._check("inner", x, u=u, v=v)
        return (wide(u) * wide(v)).sum((-2, -1), keepdim=True)

    def residual(self, x: Tensor) -> Tensor:
        """Return the norm of the singular values beyond r over the norm of all, [...]."""
        self._check("residual", x)
        S = svd(wide(x))[1]
        beyond: Tensor = torch.linalg.vector_norm(S[..., self.rank :], dim=-1)
        size: Tensor = torch.linalg.vector_norm(S, dim=-1)
        return beyond / size.clamp_min(torch.finfo(S.dtype).tiny)

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw the product of two standard normal factors over the root of r: entries of variance 1."""
        self._check("random", torch.empty(shape, device="meta"))
        left = torch.randn((*shape[:-1], self.rank), generator=generator, dtype=torch.float64)
        right = torch.randn((*shape[:-2], self.rank, shape[-1]), generator=generator, dtype=torch.float64)
        return left @ right / math.sqrt(self.rank)

    def _factors(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return U [..., n, r], S [..., r], V^T [..., r, p] of the r largest singular values."""
        U, S, Vh = svd(x)
        return U[..., : self.rank], S[..., : self.rank], Vh[..., : self.rank, :]

    def _nearest(self, a: Tensor) -> Tensor:
        U, S, Vh = self._factors(a)
        return (U * S.unsqueeze(-2)) @ Vh

    def _tangent(self, x: Tensor, u: Tensor) -> Tensor:
        U, _, Vh = self._factors(x)
        return u - _normal(U, Vh, u)

    def _check(self, method: str, x: Tensor, **others: Tensor) -> None:
        if x.ndim < 2 or min(x.shape[-2:]) < self.rank:
            got = list(x.shape)
            raise ArgumentError(
                f"FixedRank.{method}: x has shape {got}, expected [..., n, p], both at least {self.rank}."
            )
        check_same_shape(f"FixedRank.{method}", x, **others)


def _normal(U: Tensor, Vh: Tensor, u: Tensor) -> Tensor:
    """Return (I - U U^T) u (I - V V^T)."""
    left = u - U @ (U.mT @ u)
    return left - (left @ Vh.mT) @ Vh
