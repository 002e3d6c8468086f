"""The unit sphere, with the metric of the space around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.storage import check_same_shape, wide


@dataclass(frozen=True, slots=True)
class Sphere:
    """Vectors x [..., n] of unit norm along the last dimension; all the others are batch dimensions.

    `inner`, `residual` and `dist` are returned in float32 or wider, everything else as x is stored.
    Source: Absil, Mahony, Sepulchre 2008, Optimization Algorithms on Matrix Manifolds, ex. 3.5.1, 4.1.1, 5.4.1.
    """

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "sphere"

    def project(self, x: Tensor) -> Tensor:
        """Return x / |x|, the nearest point; NaN where x is zero."""
        _check_vectors("project", x)
        return _normalised(wide(x)).to(x.dtype)

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u - <x, u> x."""
        _check_vectors("tangent", x, u=u)
        return _rejected(wide(x), wide(u)).to(x.dtype)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the tangent part of g."""
        _check_vectors("gradient", x, g=g)
        return _rejected(wide(x), wide(g)).to(x.dtype)

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Return the tangent part of h, minus <x, g> v: the Riemannian Hessian along v.

        Source: Absil, Mahony, Trumpf 2013, GSI, LNCS 8085.
        """
        _check_vectors("hessian", x, g=g, h=h, v=v)
        x_ = wide(x)
        return (_rejected(x_, wide(h)) - _dot(x_, wide(g)) * wide(v)).to(x.dtype)

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return (x + v) / |x + v|, exact to second order."""
        _check_vectors("retract", x, v=v)
        return _normalised(wide(x) + wide(v)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the tangent part of v at y."""
        _check_vectors("transport", x, y=y, v=v)
        return _rejected(wide(y), wide(v)).to(x.dtype)

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return u^T v, [..., 1]."""
        _check_vectors("inner", x, u=u, v=v)
        return _dot(wide(u), wide(v))

    def residual(self, x: Tensor) -> Tensor:
        """Return abs(x^T x - 1), [...]."""
        _check_vectors("residual", x)
        return (wide(x).square().sum(-1) - 1.0).abs()

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw from the uniform distribution."""
        return self.project(torch.randn(shape, generator=generator, dtype=torch.float64))

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return cos|v| x + sin|v| v / |v|: great circles."""
        _check_vectors("exp", x, v=v)
        x_, v_ = wide(x), wide(v)
        angle = _norm(v_)
        return (angle.cos() * x_ + torch.sinc(angle / math.pi) * v_).to(x.dtype)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the tangent part of y - x, scaled to the length of the arc; zero at y = x, undefined at y = -x."""
        _check_vectors("log", x, y=y)
        x_, y_ = wide(x), wide(y)
        u = _rejected(x_, y_ - x_)
        length = _norm(u)
        return (_arc(x_, y_) / length.clamp_min(torch.finfo(u.dtype).tiny) * u).to(x.dtype)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the angle between x and y in radians, [...]."""
        _check_vectors("dist", x, y=y)
        return _arc(wide(x), wide(y)).squeeze(-1)


def _dot(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).sum(-1, keepdim=True)


def _norm(u: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(u, dim=-1, keepdim=True)
    return norm


def _normalised(a: Tensor) -> Tensor:
    return a / _norm(a)


def _rejected(x: Tensor, u: Tensor) -> Tensor:
    return u - _dot(x, u) * x


def _arc(x: Tensor, y: Tensor) -> Tensor:
    """Return the angle [..., 1]; accurate near 0 and pi, where the arc cosine loses half the digits.

    Source: Kahan 2006, How Futile are Mindless Assessments of Roundoff, sec. 12.
    """
    across = _norm(y - x)
    along = _norm(y + x)
    return 2.0 * torch.atan2(across, along)


def _check_vectors(method: str, x: Tensor, **others: Tensor) -> None:
    if x.ndim < 1:
        raise ArgumentError(f"Sphere.{method}: x has shape [], expected vectors [..., n].")
    check_same_shape(f"Sphere.{method}", x, **others)
