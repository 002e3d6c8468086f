"""Symmetric positive definite matrices, in the affine-invariant metric."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import haar
from rmobench.geometry.matrices import cholesky, eigh, symmetric
from rmobench.geometry.storage import check_same_shape, wide


@dataclass(frozen=True, slots=True)
class Spd:
    """Matrices x [..., n, n], x = x^T > 0, with <u, v> = tr(x^-1 u x^-1 v): the same for x and a x a^T.

    `inner`, `residual` and `dist` are returned in float32 or wider, everything else as x is stored. A point that is not
    positive definite gives NaN. Transport is parallel, along the geodesic.
    Source: Pennec, Fillard, Ayache 2006, Int. J. Comput. Vis. 66(1), sec. 3; transport: Sra, Hosseini 2015, SIAM J.
    Optim. 25(1); retraction: Jeuris, Vandebril, Vandereycken 2012, ETNA 39.
    """

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "spd"

    def project(self, x: Tensor) -> Tensor:
        """Return the symmetric part with eigenvalues raised to n roundings of the largest: near the nearest limit."""
        _check_square("project", x)
        S = symmetric(wide(x))
        values, vectors = eigh(S)
        info = torch.finfo(S.dtype)
        floor = (x.shape[-1] * info.eps * values.abs().amax(-1, keepdim=True)).clamp_min(info.tiny)
        raised = symmetric((vectors * values.clamp_min(floor).unsqueeze(-2)) @ vectors.mT)
        inside = (values >= floor).all(-1)[..., None, None]
        return torch.where(inside, S, raised).to(x.dtype)

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return the symmetric part of u."""
        _check_square("tangent", x, u=u)
        return symmetric(wide(u)).to(x.dtype)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return x sym(g) x."""
        _check_square("gradient", x, g=g)
        x_ = wide(x)
        return symmetric(x_ @ symmetric(wide(g)) @ x_).to(x.dtype)

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Return x sym(h) x + sym(v sym(g) x): the Riemannian Hessian along v.

        The derivative of the gradient x sym(g) x along v is x sym(h) x + 2 sym(v sym(g) x); the connection of the
        metric takes sym(v x^-1 gradient) = sym(v sym(g) x) away.
        """
        _check_square("hessian", x, g=g, h=h, v=v)
        x_ = wide(x)
        return symmetric((x_ @ symmetric(wide(h)) + wide(v) @ symmetric(wide(g))) @ x_).to(x.dtype)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v + v x^-1 v / 2, exact to second order.

        As (x + w x^-1 w) / 2 with w = x + v: positive definite also in floating point.
        """
        _check_square("retract", x, v=v)
        x_ = wide(x)
        B = torch.linalg.solve_triangular(cholesky(x_), x_ + wide(v), upper=False)
        return symmetric(0.5 * (x_ + B.mT @ B)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return E sym(v) E^T with E = (y x^-1)^(1/2)."""
        _check_square("transport", x, y=y, v=v)
        L = cholesky(wide(x))
        values, V = eigh(_whitened(L, wide(y)))
        root = (V * values.sqrt().unsqueeze(-2)) @ V.mT
        return _coloured(L @ root, _whitened(L, wide(v))).to(x.dtype)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(x^-1 u^T x^-1 v), [..., 1, 1]."""
        _check_square("inner", x, u=u, v=v)
        L = cholesky(wide(x))
        return (_half_whitened(L, wide(u)) * _half_whitened(L, wide(v))).sum((-2, -1), keepdim=True)

    def residual(self, x: Tensor) -> Tensor:
        """Return the norms of the antisymmetric part and of the negative eigenvalues over the norm of x, [...]."""
        _check_square("residual", x)
        x_ = wide(x)
        negative = eigh(symmetric(x_))[0].clamp_max(0.0)
        wrong: Tensor = torch.linalg.matrix_norm(0.5 * (x_ - x_.mT)) + torch.linalg.vector_norm(negative, dim=-1)
        size: Tensor = torch.linalg.matrix_norm(x_)
        return wrong / size.clamp_min(torch.finfo(x_.dtype).tiny)

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw uniform eigenvectors and log-normal eigenvalues."""
        _check_square("random", torch.empty(shape, device="meta"))
        V = haar(shape, generator)
        values = torch.randn(shape[:-1], generator=generator, dtype=torch.float64).exp()
        return symmetric((V * values.unsqueeze(-2)) @ V.mT)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x^(1/2) expm(x^(-1/2) v x^(-1/2)) x^(1/2)."""
        _check_square("exp", x, v=v)
        L = cholesky(wide(x))
        values, V = eigh(_whitened(L, wide(v)))
        return _coloured(L @ V, torch.diag_embed(values.exp())).to(x.dtype)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x^(1/2) logm(x^(-1/2) y x^(-1/2)) x^(1/2)."""
        _check_square("log", x, y=y)
        L = cholesky(wide(x))
        values, V = eigh(_whitened(L, wide(y)))
        return _coloured(L @ V, torch.diag_embed(values.log())).to(x.dtype)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the norm of the logarithms of the eigenvalues of x^-1 y, [...]."""
        _check_square("dist", x, y=y)
        values, _ = eigh(_whitened(cholesky(wide(x)), wide(y)))
        norm: Tensor = torch.linalg.vector_norm(values.log(), dim=-1)
        return norm


def _whitened(L: Tensor, u: Tensor) -> Tensor:
    """Return L^-1 sym(u) L^-T: with x = L L^T, the factor L stands for x^(1/2) up to a rotation that cancels."""
    return symmetric(_half_whitened(L, u))


def _half_whitened(L: Tensor, u: Tensor) -> Tensor:
    """Return L^-1 u L^-T."""
    left = torch.linalg.solve_triangular(L, u, upper=False)
    whole: Tensor = torch.linalg.solve_triangular(L.mT, left, upper=True, left=False)
    return whole


def _coloured(L: Tensor, u: Tensor) -> Tensor:
    """Return L u L^T, symmetric."""
    return symmetric(L @ u @ L.mT)


def _check_square(method: str, x: Tensor, **others: Tensor) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ArgumentError(f"Spd.{method}: x has shape {list(x.shape)}, expected square matrices [..., n, n].")
    check_same_shape(f"Spd.{method}", x, **others)
