"""The product of several manifolds: all parameters of a problem as one point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry.geodesic import WithHessian
from rmobench.types import Manifold

Point = Mapping[str, Tensor]
"""One tensor for each of the manifolds, by name; vectors have the same form."""


@dataclass(frozen=True, slots=True)
class Product:
    """Points with one part on each of the manifolds, and the sum of their metrics.

    The methods are those of a manifold, on mappings of tensors by name; `inner` and `residual` are single numbers [].

    Args:
        manifolds: What each part lives on; a part without a constraint on EUCLIDEAN.
    """

    manifolds: Mapping[str, Manifold]

    @property
    def name(self) -> str:
        """Name of the constraint."""
        return "product"

    def project(self, x: Point) -> dict[str, Tensor]:
        """Project each part."""
        self._check("project", x=x)
        return {k: m.project(x[k]) for k, m in self.manifolds.items()}

    def tangent(self, x: Point, u: Point) -> dict[str, Tensor]:
        """Project each part of u onto the tangent space at that of x."""
        self._check("tangent", x=x, u=u)
        return {k: m.tangent(x[k], u[k]) for k, m in self.manifolds.items()}

    def gradient(self, x: Point, g: Point) -> dict[str, Tensor]:
        """Return the Riemannian gradient from the parts of the Euclidean gradient."""
        self._check("gradient", x=x, g=g)
        return {k: m.gradient(x[k], g[k]) for k, m in self.manifolds.items()}

    def hessian(self, x: Point, g: Point, h: Point, v: Point) -> dict[str, Tensor]:
        """Return the Riemannian Hessian along v; h is the Hessian-vector product of all parts together.

        Raises:
            ArgumentError: One of the manifolds has no `hessian`.
        """
        self._check("hessian", x=x, g=g, h=h, v=v)
        return {k: _with_hessian(k, m).hessian(x[k], g[k], h[k], v[k]) for k, m in self.manifolds.items()}

    def retract(self, x: Point, v: Point) -> dict[str, Tensor]:
        """Retract each part."""
        self._check("retract", x=x, v=v)
        return {k: m.retract(x[k], v[k]) for k, m in self.manifolds.items()}

    def transport(self, x: Point, y: Point, v: Point) -> dict[str, Tensor]:
        """Transport each part."""
        self._check("transport", x=x, y=y, v=v)
        return {k: m.transport(x[k], y[k], v[k]) for k, m in self.manifolds.items()}

    def inner(self, x: Point, u: Point, v: Point) -> Tensor:
        """Return the sum of the inner products of all parts, []."""
        self._check("inner", x=x, u=u, v=v)
        return sum((m.inner(x[k], u[k], v[k]).sum() for k, m in self.manifolds.items()), start=torch.zeros(()))

    def residual(self, x: Point) -> Tensor:
        """Return the largest constraint violation of all parts, []; NaN where one is."""
        self._check("residual", x=x)
        # in float64 on the CPU: parts may differ in precision and device
        return torch.stack([m.residual(x[k]).max().to("cpu", torch.float64) for k, m in self.manifolds.items()]).max()

    def random(self, shapes: Mapping[str, tuple[int, ...]], generator: Generator) -> dict[str, Tensor]:
        """Draw each part, in the order of the manifolds."""
        self._check("random", shapes=shapes)
        return {k: m.random(shapes[k], generator) for k, m in self.manifolds.items()}

    def _check(self, method: str, **parts: Mapping[str, object]) -> None:
        for name, part in parts.items():
            if part.keys() != self.manifolds.keys():
                got, expected = ", ".join(sorted(part)), ", ".join(sorted(self.manifolds))
                raise ArgumentError(f"Product.{method}: {name} has the parts {got}; expected {expected}.")


def _with_hessian(name: str, manifold: Manifold) -> WithHessian:
    if not isinstance(manifold, WithHessian):
        raise ArgumentError(f"Product.hessian: {name} lives on {manifold.name!r}, which has no method hessian.")
    return manifold
