"""The Stiefel manifold of orthonormal frames, with the metric of the space around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.exponential import expm
from rmobench.geometry.storage import check_same_shape, wide

Retraction = Callable[[Tensor], Tensor]
"""From a matrix a = x + v of full column rank, [..., n, p], to a frame, [..., n, p]."""


def qr(a: Tensor) -> Tensor:
    """Return the factor Q of a = Q R with R's diagonal made positive, so that Q is a smooth function of a."""
    Q: Tensor
    Q, R = torch.linalg.qr(a)
    signs = torch.where(R.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(a.dtype)
    return Q * signs.unsqueeze(-2)


def polar(a: Tensor) -> Tensor:
    """Return the polar factor U V^T of a = U S V^T, the frame nearest to a; NaN where a is not finite."""
    finite = a.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
    anything = torch.eye(a.shape[-2], a.shape[-1], dtype=a.dtype, device=a.device)
    # svd raises on NaN, which would hide a divergence behind a failure
    U, _, Vh = torch.linalg.svd(torch.where(finite, a, anything), full_matrices=False)
    return torch.where(finite, U @ Vh, torch.nan)


RETRACTIONS: Mapping[str, Retraction] = MappingProxyType({"qr": qr, "polar": polar})
"""The retractions by the names that tasks spell."""


@dataclass(frozen=True, slots=True)
class Stiefel:
    """Matrices x [..., n, p], p <= n, with x^T x = I; the metric is <u, v> = tr(u^T v).

    `inner` and `residual` are returned in float32 or wider, everything else as x is stored. Transport is by projection.
    Source: Edelman, Arias, Smith 1998, SIAM J. Matrix Anal. Appl. 20(2); retractions: Absil, Mahony, Sepulchre 2008,
    ex. 4.1.3.

    Args:
        retraction: `qr`, exact to first order, or `polar`, exact to second.
    """

    retraction: Retraction = qr

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "stiefel"

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest frame, whatever the retraction."""
        _check_frames("project", x)
        return polar(wide(x)).to(x.dtype)

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - x sym(x^T u)."""
        _check_frames("tangent", x, u=u)
        x_, u_ = wide(x), wide(u)
        return (u_ - x_ @ _symmetric(x_.mT @ u_)).to(x.dtype)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the tangent part of g."""
        _check_frames("gradient", x, g=g)
        return self.tangent(x, g)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the retraction of x + v."""
        _check_frames("retract", x, v=v)
        return self.retraction(wide(x) + wide(v)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the tangent part of v at y."""
        _check_frames("transport", x, y=y, v=v)
        return self.tangent(y, v)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return tr(u^T v), [..., 1, 1]."""
        _check_frames("inner", x, u=u, v=v)
        return (wide(u) * wide(v)).sum((-2, -1), keepdim=True)

    def residual(self, x: Tensor) -> Tensor:
        """Return the Frobenius norm of x^T x - I, [...]."""
        _check_frames("residual", x)
        gram = wide(x).mT @ wide(x)
        return (gram - _eye(gram)).square().sum((-2, -1)).sqrt()

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw from the uniform (Haar) distribution: qr of a standard normal matrix."""
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        _check_frames("random", normal)
        return qr(normal)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return [x v] expm([[a, -v^T v], [I, a]]) [I; 0] expm(-a) with a = x^T v.

        Source: Edelman, Arias, Smith 1998, eq. 2.42.
        """
        _check_frames("exp", x, v=v)
        x_, v_ = wide(x), wide(v)
        a = x_.mT @ v_
        block = torch.cat([torch.cat([a, -v_.mT @ v_], -1), torch.cat([_eye(a), a], -1)], -2)
        return (torch.cat([x_, v_], -1) @ expm(block)[..., : x.shape[-1]] @ expm(-a)).to(x.dtype)


def _eye(a: Tensor) -> Tensor:
    """Return the identity in the shape of a [..., p, p]."""
    return torch.eye(a.shape[-1], dtype=a.dtype, device=a.device).expand_as(a)


def _symmetric(a: Tensor) -> Tensor:
    return 0.5 * (a + a.mT)


def _check_frames(method: str, x: Tensor, **others: Tensor) -> None:
    if x.ndim < 2 or x.shape[-1] > x.shape[-2]:
        raise ArgumentError(f"Stiefel.{method}: x has shape {list(x.shape)}, expected [..., n, p] with p <= n.")
    check_same_shape(f"Stiefel.{method}", x, **others)
