"""Manifolds: pure functions on points [..., n, p] or [..., n], half precision computed in float32.

Each is a frozen value that satisfies `rmobench.types.Manifold`, and `Product` joins several. The tables are what the
contract tests iterate over.
"""

from __future__ import annotations

from rmobench.geometry.euclidean import EUCLIDEAN, Euclidean
from rmobench.geometry.fixedrank import FixedRank
from rmobench.geometry.frames import cholesky_qr_factor, polar_factor, qr_factor
from rmobench.geometry.geodesic import Geodesic, Metric, WithHessian
from rmobench.geometry.grassmann import Grassmann
from rmobench.geometry.product import Product
from rmobench.geometry.retractions import RETRACTIONS, cayley, cholesky_qr, newton_schulz, polar, qr
from rmobench.geometry.spd import Spd
from rmobench.geometry.sphere import Sphere
from rmobench.geometry.stiefel import Stiefel

METRICS: tuple[Metric, ...] = (
    EUCLIDEAN,
    Sphere(),
    Spd(),
    *(Grassmann(retraction=r) for r in RETRACTIONS.values()),
)
"""Manifolds with exp, log and dist."""

GEODESICS: tuple[Geodesic, ...] = (
    *METRICS,
    *(Stiefel(retraction=r) for r in RETRACTIONS.values()),
    *(Stiefel(retraction=r, metric="canonical") for r in RETRACTIONS.values()),
)
"""Manifolds with exp."""

MANIFOLDS: tuple[WithHessian, ...] = (*GEODESICS, FixedRank(rank=2))
"""Every manifold with every metric and every retraction."""

SECOND_ORDER: tuple[WithHessian, ...] = (
    *METRICS,
    Stiefel(retraction=polar),
    Stiefel(retraction=newton_schulz),
    Stiefel(retraction=cayley, metric="canonical"),
    FixedRank(rank=2),
)
"""Those whose retraction is exact to second order: without acceleration in their own metric."""

__all__ = [
    "EUCLIDEAN",
    "GEODESICS",
    "MANIFOLDS",
    "METRICS",
    "RETRACTIONS",
    "SECOND_ORDER",
    "Euclidean",
    "FixedRank",
    "Geodesic",
    "Grassmann",
    "Metric",
    "Product",
    "Spd",
    "Sphere",
    "Stiefel",
    "WithHessian",
    "cayley",
    "cholesky_qr",
    "cholesky_qr_factor",
    "newton_schulz",
    "polar",
    "polar_factor",
    "qr",
    "qr_factor",
]
