"""What manifolds know beyond the protocol: their Hessian, and some of them their geodesics."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from rmobench.types import Manifold


@runtime_checkable
class WithHessian(Manifold, Protocol):
    """A manifold that turns Euclidean derivatives into second-order Riemannian ones."""

    def hessian(self, x: Tensor, g: Tensor, h: Tensor, v: Tensor) -> Tensor:
        """Riemannian Hessian along the tangent v from the Euclidean gradient g and Hessian-vector product h (of v)."""
        ...


class Geodesic(WithHessian, Protocol):
    """A manifold whose geodesics have a closed form."""

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Point at time 1 of the geodesic that leaves x with velocity v."""
        ...


class Metric(Geodesic, Protocol):
    """A manifold whose geodesics can also be inverted."""

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Tangent vector at x whose geodesic reaches y at time 1."""
        ...

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Length of the shortest geodesic between x and y, one number per point: [...]."""
        ...
