"""Gradients, Hessians and retractions, by the order of what they leave over."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import GEODESICS, RETRACTIONS, SECOND_ORDER, Geodesic, Grassmann, Spd, Stiefel, WithHessian
from rmobench.types import Manifold
from tests.geometry.cases import (
    ROUNDING,
    SLOPE,
    cases,
    element,
    every,
    every_metric,
    label,
    normal,
    order,
    point,
    smooth,
    unit_tangent,
)

EMBEDDED = [m for m in SECOND_ORDER if m != Spd() and getattr(m, "metric", "embedded") == "embedded"]
"""Those whose metric is that of the space around them."""


def curve(manifold: Manifold, x: Tensor, v: Tensor) -> Tensor:
    """Return the end of a curve without acceleration."""
    return manifold.exp(x, v) if manifold in GEODESICS else manifold.retract(x, v)


@every
def test_gradient_predicts_to_first_order(manifold: WithHessian, shape: tuple[int, ...]) -> None:
    """|f(R(tv)) - f(x) - t <grad f, v>| falls with t^2."""
    x, f = point(manifold, shape), smooth(manifold, shape)
    v = unit_tangent(manifold, x)
    gradient = manifold.gradient(x, torch.func.grad(f)(x))
    torch.testing.assert_close(manifold.tangent(x, gradient), gradient, rtol=0, atol=ROUNDING)
    slope = manifold.inner(x, gradient, v).sum()
    assert order(lambda t: f(manifold.retract(x, t * v)) - f(x) - t * slope) == pytest.approx(2.0, abs=SLOPE)


def riemannian_hessian(manifold: WithHessian, x: Tensor, v: Tensor) -> Tensor:
    gradient = torch.func.grad(smooth(manifold, tuple(x.shape)))
    h = torch.func.grad(lambda x: (gradient(x) * v).sum())(x)
    return manifold.hessian(x, gradient(x), h, v)


@every_metric
def test_hessian_predicts_to_second_order(manifold: WithHessian, shape: tuple[int, ...]) -> None:
    """|f(c(t)) - f(x) - t <grad f, v> - t^2 <Hess f v, v> / 2| falls with t^3 along c without acceleration."""
    x, f = point(manifold, shape), smooth(manifold, shape)
    v = unit_tangent(manifold, x)
    slope = manifold.inner(x, manifold.gradient(x, torch.func.grad(f)(x)), v).sum()
    bend = manifold.inner(x, riemannian_hessian(manifold, x, v), v).sum()

    def left(t: float) -> Tensor:
        return f(curve(manifold, x, t * v)) - f(x) - t * slope - 0.5 * t**2 * bend

    assert order(left) > 3.0 - SLOPE


@every_metric
def test_hessian_is_linear_selfadjoint_and_tangent(manifold: WithHessian, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    u, v = unit_tangent(manifold, x, seed=1), unit_tangent(manifold, x, seed=2)
    Hu, Hv = (riemannian_hessian(manifold, x, w) for w in (u, v))
    near = {"rtol": ROUNDING, "atol": 100 * ROUNDING}  # third powers of points
    torch.testing.assert_close(manifold.tangent(x, Hv), Hv, **near)
    torch.testing.assert_close(manifold.inner(x, Hu, v), manifold.inner(x, u, Hv), **near)
    torch.testing.assert_close(riemannian_hessian(manifold, x, 2.0 * u - v), 2.0 * Hu - Hv, **near)


@pytest.mark.parametrize("manifold", [Stiefel(), Stiefel(metric="canonical"), Grassmann(), Spd()], ids=label)
def test_curvature_matters(manifold: WithHessian) -> None:
    """The gradient's part in the Hessian is not zero: a projection of h alone would fail above."""
    x = point(manifold, (4, 4) if manifold == Spd() else (5, 3))
    g, v = normal(tuple(x.shape), 5), unit_tangent(manifold, x)
    assert manifold.hessian(x, g, torch.zeros_like(x), v).norm() > 0.1


@every
def test_retraction_is_of_first_order(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    torch.testing.assert_close(manifold.retract(x, torch.zeros_like(x)), x, rtol=0, atol=ROUNDING)
    assert order(lambda t: manifold.retract(x, t * v) - x - t * v) > 2.0 - SLOPE


@pytest.mark.parametrize(("manifold", "shape"), cases(EMBEDDED))
def test_retraction_has_no_tangent_acceleration(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """In an embedded metric the acceleration of a second-order curve is normal at its start."""
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    assert order(lambda t: manifold.tangent(x, manifold.retract(x, t * v) - x - t * v)) > 3.0 - SLOPE


@pytest.mark.parametrize(("manifold", "shape"), cases(GEODESICS))
def test_retraction_follows_the_geodesic(manifold: Geodesic, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    expected = 3.0 if manifold in SECOND_ORDER else 2.0

    def apart(t: float) -> Tensor:
        return element(manifold, manifold.retract(x, t * v)) - element(manifold, manifold.exp(x, t * v))

    assert order(apart) > expected - SLOPE


@pytest.mark.parametrize("metric", ["embedded", "canonical"])
@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
def test_the_other_retractions_of_frames_are_not_of_second_order(metric: str, retraction: object) -> None:
    """The tests above can tell the difference, and the table leaves none out."""
    manifold = Stiefel(retraction=retraction, metric=metric)
    x = point(manifold, (5, 3))
    v = unit_tangent(manifold, x)
    found = order(lambda t: manifold.retract(x, t * v) - manifold.exp(x, t * v))
    assert found == pytest.approx(3.0 if manifold in SECOND_ORDER else 2.0, abs=SLOPE)
