"""The problem's parameters as geoopt wants them: each one carries its manifold."""

from __future__ import annotations

import warnings

from torch import nn

from rmobench.errors import ArgumentError
from rmobench.geometry import Sphere, Stiefel
from rmobench.types import Manifold, Problem

with warnings.catch_warnings():
    # geoopt 0.5.1 scripts its helpers when imported, which recent torch deprecates
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
    import geoopt

__all__ = ["attach_manifolds", "geoopt"]


def attach_manifolds(problem: Problem) -> list[nn.Parameter]:
    """Replace each constrained parameter of the model by a geoopt.ManifoldParameter under the same name.

    Stiefel becomes geoopt.EuclideanStiefel (QR retraction, whatever ours was told) in the embedded metric and
    geoopt.CanonicalStiefel in the canonical one, whose retraction turns frames in their span twice as far as it should
    (geoopt 0.5.1); Sphere becomes geoopt.Sphere.

    Returns:
        All trainable parameters, the unconstrained ones as they were.

    Raises:
        ArgumentError: A manifold that has no counterpart here.
    """
    for name in problem.params:
        if name in problem.manifolds:
            owner, _, leaf = name.rpartition(".")
            module = problem.model.get_submodule(owner)
            setattr(module, leaf, _on(module.get_parameter(leaf), _counterpart(problem.manifolds[name])))
    return list(problem.params.values())


def _counterpart(manifold: Manifold) -> geoopt.Manifold:
    match manifold:
        case Stiefel(metric="embedded"):
            return geoopt.EuclideanStiefel()
        case Stiefel():
            return geoopt.CanonicalStiefel()
        case Sphere():
            return geoopt.Sphere()
    raise ArgumentError(f"geoopt: got the manifold {manifold.name!r}, expected sphere or stiefel.")


def _on(x: nn.Parameter, manifold: geoopt.Manifold) -> nn.Parameter:
    """Share the storage of x, under a manifold."""
    # set afterwards: the constructor refuses points that are off by more than 1e-5, as every bfloat16 point is
    point: nn.Parameter = geoopt.ManifoldParameter(x.detach())
    point.manifold = manifold  # type: ignore[attr-defined]
    return point
