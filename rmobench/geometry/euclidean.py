"""No constraint at all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.geometry.storage import check_same_shape, wide


@dataclass(frozen=True, slots=True)
class Euclidean:
    """Flat space. A tensor of two or more dimensions is a batch of matrices, one of fewer is a single vector.

    `inner`, `residual` and `dist` are returned in float32 or wider.
    """

    @property
    def name(self) -> str:
        """Name of the (absent) constraint."""
        return "euclidean"

    def project(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def tangent(self, x: Tensor, u: Tensor) -> Tensor:
        """Return u."""
        check_same_shape("Euclidean.tangent", x, u=u)
        return u

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return g."""
        check_same_shape("Euclidean.gradient", x, g=g)
        return g

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Return h."""
        check_same_shape("Euclidean.hessian", x, g=g, h=h, v=v)
        return h

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v."""
        check_same_shape("Euclidean.retract", x, v=v)
        return (wide(x) + wide(v)).to(x.dtype)

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return v."""
        check_same_shape("Euclidean.transport", x, y=y, v=v)
        return v

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the sum of products, [..., 1, 1] for matrices, [1] for a vector, [] for a number."""
        check_same_shape("Euclidean.inner", x, u=u, v=v)
        product = wide(u) * wide(v)
        return product.sum(_last(x), keepdim=True) if x.ndim else product

    def residual(self, x: Tensor) -> Tensor:
        """Return zeros [...], one per matrix."""
        return wide(x).new_zeros(x.shape[:-2])

    def random(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Draw standard normal entries."""
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return x + v: geodesics are straight."""
        return self.retract(x, v)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y - x."""
        check_same_shape("Euclidean.log", x, y=y)
        return (wide(y) - wide(x)).to(x.dtype)

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the Frobenius norm of y - x, [...]."""
        check_same_shape("Euclidean.dist", x, y=y)
        difference = wide(y) - wide(x)
        return difference.square().sum(_last(x)).sqrt() if x.ndim else difference.abs()


def _last(x: Tensor) -> tuple[int, ...]:
    """Return the dimensions of one matrix, or of the whole vector."""
    return (-2, -1) if x.ndim >= 2 else (-1,)


EUCLIDEAN = Euclidean()
"""What a parameter without a manifold lives on."""
