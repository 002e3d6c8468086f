"""The Grassmann manifold of subspaces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.geometry.frames import check_frames, haar, orthonormality, polar_factor
from rmobench.geometry.matrices import svd
from rmobench.geometry.retractions import Retraction, cholesky_qr
from rmobench.geometry.storage import wide


@dataclass(frozen=True, slots=True)
class Grassmann:
    """The p-dimensional subspaces of R^n, each held as any frame x [..., n, p] that spans it.

    Tangent vectors are horizontal, x^T v = 0, with the metric tr(u^T v); functions must depend on the span of x only.
    `inner`, `residual` and `dist` are returned in float32 or wider, everything else as x is stored. Transport is by
    projection.
    Source: Edelman, Arias, Smith 1998, SIAM J. Matrix Anal. Appl. 20(2), sec. 2.5; exp, log, dist: Bendokat,
    Zimmermann, Absil 2024, Adv. Comput. Math. 50.

    Args:
        retraction: One of `RETRACTIONS`; all are exact to second order here, and all but `cayley` reach the same span.
    """

    retraction: Retraction = cholesky_qr

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "grassmann"

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest frame, which spans what x spans."""
        check_frames("Grassmann.project", x)
        return polar_factor(wide(x)).to(x.dtype)

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - x x^T u."""
        check_frames("Grassmann.tangent", x, u=u)
        return _horizontal(wide(x), wide(u)).to(x.dtype)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the horizontal part of g."""
        check_frames("Grassmann.gradient", x, g=g)
        return _horizontal(wide(x), wide(g)).to(x.dtype)

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Return the horizontal part of h - v x^T g: the Riemannian Hessian along v.

        Source: Edelman, Arias, Smith 1998, sec. 2.5.4.
        """
        check_frames("Grassmann.hessian", x, g=g, h=h, v=v)
        x_, v_ = wide(x), wide(v)
        return _horizontal(x_, wide(h) - v_ @ (x_.mT @ wide(g))).to(x.dtype)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the frame that the retraction reaches along v."""
        check_frames("Grassmann.retract", x, v=v)
        return self.retraction(wide(x), wide(v)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the horizontal part of v at y."""
        check_frames("Grassmann.transport", x, y=y, v=v)
        return _horizontal(wide(y), wide(v)).to(x.dtype)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(u^T v), [..., 1, 1]."""
        check_frames("Grassmann.inner", x, u=u, v=v)
        return (wide(u) * wide(v)).sum((-2, -1), keepdim=True)

    def residual(self, x: Tensor) -> Tensor:
        """Return the Frobenius norm of x^T x - I, [...]."""
        check_frames("Grassmann.residual", x)
        return orthonormality(x)

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw from the uniform distribution."""
        check_frames("Grassmann.random", torch.empty(shape, device="meta"))
        return haar(shape, generator)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x V cos(S) V^T + U sin(S) V^T with v = U S V^T."""
        check_frames("Grassmann.exp", x, v=v)
        x_ = wide(x)
        U, S, Vh = svd(wide(v))
        cos, sin = S.cos().unsqueeze(-2), S.sin().unsqueeze(-2)
        return ((x_ @ Vh.mT * cos + U * sin) @ Vh).to(x.dtype)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the horizontal vector at x whose geodesic reaches the span of y; undefined at a right angle."""
        check_frames("Grassmann.log", x, y=y)
        H, angles, sines, Vh = _principal(wide(x), wide(y))
        tiny = torch.finfo(H.dtype).tiny
        ratio = torch.where(sines > 0, angles / sines.clamp_min(tiny), 1.0)
        return (H * ratio.unsqueeze(-2) @ Vh).to(x.dtype)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the root of the sum of the squared principal angles in radians, [...]."""
        check_frames("Grassmann.dist", x, y=y)
        norm: Tensor = torch.linalg.vector_norm(_principal(wide(x), wide(y))[1], dim=-1)
        return norm


def _horizontal(x: Tensor, u: Tensor) -> Tensor:
    return u - x @ (x.mT @ u)


def _principal(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what leads from x to the span of y: H [..., n, p], angles [..., p], their sines [..., p], V^T [..., p, p].

    With y^T x = U S V^T the cosines are S, and the columns of H = (I - x x^T) y U, orthogonal to each other, have the
    sines as lengths. The angles from both are accurate everywhere.
    Source: Bjorck, Golub 1973, Math. Comp. 27(123).
    """
    U, cosines, Vh = svd(y.mT @ x)
    H = _horizontal(x, y @ U)
    sines: Tensor = torch.linalg.vector_norm(H, dim=-2)
    return H, torch.atan2(sines, cosines), sines, Vh
