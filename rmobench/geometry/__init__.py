"""Manifolds: pure functions on points [..., n, p] or [..., n], half precision computed in float32.

Each is a frozen value that satisfies `rmobench.types.Manifold`. The tables are what the contract tests iterate over.
"""

from __future__ import annotations

from rmobench.geometry.euclidean import EUCLIDEAN, Euclidean
from rmobench.geometry.geodesic import Geodesic, Metric
from rmobench.geometry.sphere import Sphere
from rmobench.geometry.stiefel import RETRACTIONS, Stiefel, polar, qr
from rmobench.types import Manifold

METRICS: tuple[Metric, ...] = (EUCLIDEAN, Sphere())
"""Manifolds with exp, log and dist."""

GEODESICS: tuple[Geodesic, ...] = (*METRICS, Stiefel(retraction=qr), Stiefel(retraction=polar))
"""Manifolds with exp."""

MANIFOLDS: tuple[Manifold, ...] = (*GEODESICS,)
"""Every manifold with every retraction."""

SECOND_ORDER: tuple[Manifold, ...] = (EUCLIDEAN, Sphere(), Stiefel(retraction=polar))
"""Those whose retraction is exact to second order."""

__all__ = [
    "EUCLIDEAN",
    "GEODESICS",
    "MANIFOLDS",
    "METRICS",
    "RETRACTIONS",
    "SECOND_ORDER",
    "Euclidean",
    "Geodesic",
    "Metric",
    "Sphere",
    "Stiefel",
    "polar",
    "qr",
]
