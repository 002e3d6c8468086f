"""The Stiefel manifold of orthonormal frames, in the embedded and in the canonical metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.exponential import expm
from rmobench.geometry.frames import check_frames, haar, orthonormality, polar_factor
from rmobench.geometry.matrices import identity, minus_product, symmetric
from rmobench.geometry.retractions import Retraction, cholesky_qr, skew_factors
from rmobench.geometry.storage import wide

StiefelMetric = Literal["embedded", "canonical"]


@dataclass(frozen=True, slots=True)
class Stiefel:
    """Matrices x [..., n, p], p <= n, with x^T x = I.

    The embedded metric is <u, v> = tr(u^T v), the canonical one tr(u^T (I - x x^T / 2) v): it counts every degree of
    freedom once. `inner` and `residual` are returned in float32 or wider, everything else as x is stored.
    Transport is by projection.
    Source: Edelman, Arias, Smith 1998, SIAM J. Matrix Anal. Appl. 20(2).

    Args:
        retraction: One of `RETRACTIONS`. `polar` and `newton_schulz` are exact to second order in the embedded metric,
            `cayley` in the canonical one, the others to first.
        metric: "embedded" or "canonical".
    """

    retraction: Retraction = cholesky_qr
    metric: StiefelMetric = "embedded"

    def __post_init__(self) -> None:
        """Refuse a metric that does not exist.

        Raises:
            ArgumentError: It is neither of the two.
        """
        if self.metric not in get_args(StiefelMetric):
            raise ArgumentError(f"Stiefel: got metric={self.metric!r}, expected 'embedded' or 'canonical'.")

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "stiefel"

    @property
    def _canonical(self) -> bool:
        return self.metric == "canonical"

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest frame, whatever the retraction."""
        check_frames("Stiefel.project", x)
        return polar_factor(wide(x)).to(x.dtype)

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - x sym(x^T u), orthogonal in both metrics."""
        check_frames("Stiefel.tangent", x, u=u)
        return _tangent(wide(x), wide(u)).to(x.dtype)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the tangent part of g; in the canonical metric g - x g^T x."""
        check_frames("Stiefel.gradient", x, g=g)
        return self._gradient(wide(x), wide(g)).to(x.dtype)

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Return the Riemannian Hessian along v from the Euclidean gradient g and Hessian-vector product h.

        Embedded: tangent part of h - v sym(x^T g). Canonical: gradient from
        h + (x v^T g + g v^T x) / 2 - (I - x x^T) v sym(x^T g).
        Source: Absil, Mahony, Trumpf 2013, GSI, LNCS 8085 (embedded); Edelman, Arias, Smith 1998, sec. 2.4.5
        (canonical).
        """
        check_frames("Stiefel.hessian", x, g=g, h=h, v=v)
        x_, g_, h_, v_ = wide(x), wide(g), wide(h), wide(v)
        bend = v_ @ symmetric(x_.mT @ g_)
        if not self._canonical:
            return _tangent(x_, h_ - bend).to(x.dtype)
        turn = x_ @ (v_.mT @ g_) + g_ @ (v_.mT @ x_)
        return self._gradient(x_, h_ + 0.5 * turn - bend + x_ @ (x_.mT @ bend)).to(x.dtype)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the point that the retraction reaches along v."""
        check_frames("Stiefel.retract", x, v=v)
        return self.retraction(wide(x), wide(v)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the tangent part of v at y."""
        check_frames("Stiefel.transport", x, y=y, v=v)
        return _tangent(wide(y), wide(v)).to(x.dtype)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(u^T v), or tr(u^T (I - x x^T / 2) v), [..., 1, 1]."""
        check_frames("Stiefel.inner", x, u=u, v=v)
        u_, v_ = wide(u), wide(v)
        if not self._canonical:
            return (u_ * v_).sum((-2, -1), keepdim=True)
        x_ = wide(x)
        return (u_ * (v_ - 0.5 * x_ @ (x_.mT @ v_))).sum((-2, -1), keepdim=True)

    def residual(self, x: Tensor) -> Tensor:
        """Return the Frobenius norm of x^T x - I, [...]."""
        check_frames("Stiefel.residual", x)
        return orthonormality(x)

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw from the uniform (Haar) distribution."""
        check_frames("Stiefel.random", torch.empty(shape, device="meta"))
        return haar(shape, generator)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the end of the geodesic.

        Embedded: [x v] expm([[a, -v^T v], [I, a]]) [I; 0] expm(-a) with a = x^T v. Canonical: expm(W) x with the skew
        W, W x = v.
        Source: Edelman, Arias, Smith 1998, eq. 2.42 and 2.45.
        """
        check_frames("Stiefel.exp", x, v=v)
        exp = _exp_canonical if self._canonical else _exp_embedded
        return exp(wide(x), wide(v)).to(x.dtype)

    def _gradient(self, x: Tensor, g: Tensor) -> Tensor:
        return minus_product(g, x, g.mT @ x) if self._canonical else _tangent(x, g)


def _tangent(x: Tensor, u: Tensor) -> Tensor:
    return minus_product(u, x, symmetric(x.mT @ u))


def _exp_embedded(x: Tensor, v: Tensor) -> Tensor:
    a = x.mT @ v
    eye = identity(a).expand_as(a)
    block = torch.cat([torch.cat([a, -v.mT @ v], -1), torch.cat([eye, a], -1)], -2)
    return torch.cat([x, v], -1) @ expm(block)[..., : x.shape[-1]] @ expm(-a)


def _exp_canonical(x: Tensor, v: Tensor) -> Tensor:
    """With W = a b^T of rank 2 p: expm(W) x = x + a f(b^T a) b^T x, f(z) = (e^z - 1) / z.

    f(M) c is the upper right block of expm([[M, c], [0, 0]]).
    """
    a, b = skew_factors(x, v)
    M, c = b.mT @ a, b.mT @ x
    p = x.shape[-1]
    upper = torch.cat([M, c], -1)
    block = torch.cat([upper, torch.zeros_like(upper[..., :p, :])], -2)
    return x + a @ expm(block)[..., : 2 * p, 2 * p :]
