"""The product of manifolds is its parts, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import EUCLIDEAN, Grassmann, Product, Spd, Sphere, Stiefel, polar
from tests.geometry.cases import ROUNDING, SLOPE, generator, normal, order

SHAPES = {"frame": (5, 2), "direction": (4,), "metric": (3, 3), "bias": (5,), "span": (2, 4, 2)}

PRODUCT = Product(
    {"frame": Stiefel(retraction=polar), "direction": Sphere(), "metric": Spd(), "bias": EUCLIDEAN, "span": Grassmann()}
)

Vector = dict[str, Tensor]


def ambient(seed: int) -> Vector:
    return {name: normal(shape, seed + i) for i, (name, shape) in enumerate(SHAPES.items())}


def scaled(t: float, v: Vector) -> Vector:
    return {name: t * part for name, part in v.items()}


def unit(x: Vector, seed: int) -> Vector:
    v = PRODUCT.tangent(x, ambient(seed))
    return scaled(1.0 / PRODUCT.inner(x, v, v).sqrt().item(), v)


def loss(x: Vector) -> Tensor:
    """Couple all the parts; of the span only its projector counts."""
    projector = x["span"] @ x["span"].mT
    middle = x["frame"].mT @ x["bias"].sin()
    return (
        middle.square().sum() * x["direction"].sin().sum()
        + (projector[0] @ x["direction"]) @ projector[1, 0] * x["metric"][0].sum() ** 2
    )


def test_methods_are_those_of_the_parts() -> None:
    x, y = PRODUCT.random(SHAPES, generator(0)), PRODUCT.random(SHAPES, generator(1))
    u, v = ambient(10), ambient(20)
    for name, m in PRODUCT.manifolds.items():
        assert torch.equal(PRODUCT.project(u)[name], m.project(u[name]))
        assert torch.equal(PRODUCT.tangent(x, u)[name], m.tangent(x[name], u[name]))
        assert torch.equal(PRODUCT.gradient(x, u)[name], m.gradient(x[name], u[name]))
        assert torch.equal(PRODUCT.retract(x, u)[name], m.retract(x[name], u[name]))
        assert torch.equal(PRODUCT.transport(x, y, u)[name], m.transport(x[name], y[name], u[name]))
        assert torch.equal(PRODUCT.hessian(x, u, v, u)[name], m.hessian(x[name], u[name], v[name], u[name]))


def test_inner_is_the_sum_and_residual_the_largest() -> None:
    x, u, v = PRODUCT.random(SHAPES, generator()), ambient(10), ambient(20)
    total = sum(m.inner(x[name], u[name], v[name]).sum() for name, m in PRODUCT.manifolds.items())
    inner = PRODUCT.inner(x, u, v)
    assert inner.shape == ()
    torch.testing.assert_close(inner, total, rtol=0, atol=ROUNDING)
    assert PRODUCT.residual(x) < ROUNDING
    x["direction"] = 2.0 * x["direction"]
    residual = PRODUCT.residual(x)
    assert residual.shape == ()
    assert residual.item() == pytest.approx(3.0)


def test_a_residual_that_is_not_a_number_shows() -> None:
    x = PRODUCT.random(SHAPES, generator())
    x["frame"] = x["frame"] * float("nan")
    assert PRODUCT.residual(x).isnan()


def test_gradient_and_hessian_of_coupled_parts() -> None:
    """The slopes are 2 and 3, along retractions that are all of second order."""
    x = PRODUCT.random(SHAPES, generator())
    v = unit(x, 10)
    gradient = torch.func.grad(loss)
    g = gradient(x)
    h = torch.func.grad(lambda x: sum((gradient(x)[name] * v[name]).sum() for name in v))(x)
    slope = PRODUCT.inner(x, PRODUCT.gradient(x, g), v)
    bend = PRODUCT.inner(x, PRODUCT.hessian(x, g, h, v), v)

    def left(t: float) -> Tensor:
        return loss(PRODUCT.retract(x, scaled(t, v))) - loss(x) - t * slope

    assert order(left) == pytest.approx(2.0, abs=SLOPE)
    assert order(lambda t: left(t) - 0.5 * t**2 * bend) > 3.0 - SLOPE


def test_parts_may_differ_in_precision() -> None:
    x = PRODUCT.random(SHAPES, generator())
    x["frame"], x["bias"] = x["frame"].bfloat16(), x["bias"].float()
    y = PRODUCT.retract(x, PRODUCT.tangent(x, x))
    assert {name: part.dtype for name, part in y.items()} == {name: part.dtype for name, part in x.items()}
    assert PRODUCT.inner(x, x, x).dtype == torch.float64
    assert PRODUCT.residual(x) < 0.1


def test_draws_are_reproducible_and_follow_one_another() -> None:
    x, again = (PRODUCT.random(SHAPES, generator(0)) for _ in range(2))
    assert all(torch.equal(x[name], again[name]) for name in SHAPES)
    two = Product({"a": EUCLIDEAN, "b": EUCLIDEAN}).random({"a": (3,), "b": (3,)}, generator(0))
    assert not torch.equal(two["a"], two["b"])


@dataclass(frozen=True)
class Flat:
    """A third party's manifold, of which only the protocol is known."""

    name = "flat"


X = PRODUCT.random(SHAPES, generator())
LESS = {name: part for name, part in X.items() if name != "bias"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: PRODUCT.retract(X, LESS),
            r"^Product\.retract: v has the parts direction, frame, metric, span; "
            r"expected bias, direction, frame, metric, span\.$",
        ),
        (lambda: PRODUCT.tangent(LESS, X), r"^Product\.tangent: x has the parts direction, frame"),
        (lambda: PRODUCT.transport(X, {**X, "more": X["bias"]}, X), r"^Product\.transport: y has the parts .*more"),
        (lambda: PRODUCT.random({"bias": (3,)}, generator()), r"^Product\.random: shapes has the parts bias; expected"),
        (lambda: PRODUCT.retract(X, {**X, "frame": X["bias"]}), r"^Stiefel\.retract: v has shape \[5\]"),
        (
            lambda: Product({"a": Flat()}).hessian(*[{"a": X["bias"]}] * 4),
            r"^Product\.hessian: a lives on 'flat', which has no method hessian\.$",
        ),
    ],
)
def test_parts_that_do_not_fit(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()
