"""What every manifold promises, with every retraction, at several shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import (
    GEODESICS,
    MANIFOLDS,
    METRICS,
    SECOND_ORDER,
    Euclidean,
    Geodesic,
    Metric,
    Sphere,
    Stiefel,
    polar,
)
from rmobench.geometry.exponential import expm
from rmobench.types import RESIDUAL_MAX, Manifold

SHAPES = {
    "euclidean": [(5,), (5, 2), (2, 4, 3)],
    "sphere": [(2,), (5,), (3, 5), (2, 3, 4)],
    "stiefel": [(5, 2), (4, 4), (6, 1), (2, 5, 3), (2, 3, 6, 2)],
}

DIMENSION = {
    "euclidean": lambda shape: math.prod(shape),
    "sphere": lambda shape: math.prod(shape[:-1]) * (shape[-1] - 1),
    "stiefel": lambda shape: math.prod(shape[:-2]) * (shape[-2] * shape[-1] - shape[-1] * (shape[-1] + 1) // 2),
}

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers in float64."""

SLOPE = 0.1
"""How far a fitted order may be from the true one: the next order of the expansion bends the line by less."""


def cases(manifolds: Iterable[Manifold]) -> list[object]:
    """Return every manifold at every shape, named by its place in the table."""
    return [
        pytest.param(m, shape, id=f"{m.name}{MANIFOLDS.index(m)}-{'x'.join(map(str, shape))}")
        for m in manifolds
        for shape in SHAPES[m.name]
    ]


every = pytest.mark.parametrize(("manifold", "shape"), cases(MANIFOLDS))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def point(manifold: Manifold, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return manifold.random(shape, generator(seed))


def unit_tangent(manifold: Manifold, x: Tensor, seed: int = 1) -> Tensor:
    """Return a tangent vector of length 1, one per point of the batch."""
    v = manifold.tangent(x, normal(tuple(x.shape), seed))
    return v / manifold.inner(x, v, v).sqrt()


def order(error: Callable[[float], Tensor]) -> float:
    """Fit k in error(t) ~ t^k; infinite where the error is rounding only."""
    times = torch.logspace(-3, -1.5, 8, dtype=torch.float64)
    errors = torch.stack([torch.linalg.vector_norm(error(t.item())) for t in times])
    if errors.max() < 1e-14:
        return math.inf
    design = torch.stack([times.log(), torch.ones_like(times)], -1)
    return torch.linalg.lstsq(design, errors.log().unsqueeze(-1)).solution[0].item()


@every
def test_random_points_lie_on_the_manifold_in_float64(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    assert x.shape == shape
    assert x.dtype == torch.float64
    assert manifold.residual(x).max() < ROUNDING
    assert not torch.equal(x, point(manifold, shape, seed=1))
    assert torch.equal(x, point(manifold, shape, seed=0))


@every
def test_projection_lands_on_the_manifold_and_fixes_its_points(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = manifold.project(normal(shape, 0))
    assert manifold.residual(x).max() < ROUNDING
    torch.testing.assert_close(manifold.project(x), x, rtol=0, atol=ROUNDING)


@every
def test_tangent_projection_is_linear_idempotent_selfadjoint(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x, u, v = point(manifold, shape), normal(shape, 1), normal(shape, 2)
    Pu, Pv = manifold.tangent(x, u), manifold.tangent(x, v)
    torch.testing.assert_close(manifold.tangent(x, 2.0 * u - 3.0 * v), 2.0 * Pu - 3.0 * Pv, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.tangent(x, Pu), Pu, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.inner(x, Pu, v), manifold.inner(x, u, Pv), rtol=0, atol=ROUNDING)


@every
def test_dimension_of_the_tangent_space(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    basis = torch.eye(x.numel(), dtype=torch.float64).reshape(-1, *shape)
    images = torch.stack([manifold.tangent(x, e).flatten() for e in basis])
    eigenvalues = torch.linalg.eigvalsh(images @ images.T)
    assert (eigenvalues > 0.5).sum() == DIMENSION[manifold.name](shape)


@every
def test_gradient_predicts_to_first_order(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """|f(R(tv)) - f(x) - t <grad f, v>| falls with t^2."""
    x, a, b = point(manifold, shape), normal(shape, 3), normal(shape, 4)
    v = unit_tangent(manifold, x)

    def f(x: Tensor) -> Tensor:
        return (a * x + b * x.sin()).sum()

    gradient = manifold.gradient(x, a + b * x.cos())
    torch.testing.assert_close(manifold.tangent(x, gradient), gradient, rtol=0, atol=ROUNDING)
    slope = manifold.inner(x, gradient, v).sum()
    assert order(lambda t: f(manifold.retract(x, t * v)) - f(x) - t * slope) == pytest.approx(2.0, abs=SLOPE)


@every
def test_retraction_is_of_first_order(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    torch.testing.assert_close(manifold.retract(x, torch.zeros_like(x)), x, rtol=0, atol=ROUNDING)
    assert order(lambda t: manifold.retract(x, t * v) - x - t * v) > 2.0 - SLOPE


@pytest.mark.parametrize(("manifold", "shape"), cases(SECOND_ORDER))
def test_retraction_is_of_second_order(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """In an embedded metric the acceleration of the curve is normal at its start."""
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    assert order(lambda t: manifold.tangent(x, manifold.retract(x, t * v) - x - t * v)) > 3.0 - SLOPE


def test_qr_is_not_of_second_order() -> None:
    """The test above can tell the difference."""
    manifold = Stiefel()
    x = point(manifold, (5, 3))
    v = unit_tangent(manifold, x)
    curve = order(lambda t: manifold.tangent(x, manifold.retract(x, t * v) - x - t * v))
    assert curve == pytest.approx(2.0, abs=SLOPE)


@pytest.mark.parametrize(("manifold", "shape"), cases(GEODESICS))
def test_retraction_follows_the_geodesic(manifold: Geodesic, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    expected = 3.0 if manifold in SECOND_ORDER else 2.0
    assert order(lambda t: manifold.retract(x, t * v) - manifold.exp(x, t * v)) > expected - SLOPE


@pytest.mark.parametrize(("manifold", "shape"), cases(GEODESICS))
def test_geodesics_stay_and_keep_their_speed(manifold: Geodesic, shape: tuple[int, ...]) -> None:
    """The velocity at time 1, from central differences, is tangent and as long as at the start."""
    x = point(manifold, shape)
    v, h = unit_tangent(manifold, x), 1e-4
    y = manifold.exp(x, v)
    velocity = (manifold.exp(x, (1 + h) * v) - manifold.exp(x, (1 - h) * v)) / (2 * h)
    speed = manifold.inner(y, velocity, velocity)
    assert manifold.residual(y).max() < ROUNDING
    torch.testing.assert_close(speed, torch.ones_like(speed), rtol=0, atol=1e-7)  # h^2
    torch.testing.assert_close(manifold.tangent(y, velocity), velocity, rtol=0, atol=1e-7)
    assert order(lambda t: manifold.tangent(x, manifold.exp(x, t * v) - x - t * v)) > 3.0 - SLOPE


@pytest.mark.parametrize(("manifold", "shape"), cases(METRICS))
@pytest.mark.parametrize("t", [0.0, 1e-6, 0.1, 1.0, 3.0])
def test_distance_along_a_geodesic_is_its_length(manifold: Metric, shape: tuple[int, ...], t: float) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    y = manifold.exp(x, t * v)
    d = manifold.dist(x, y)
    assert d.shape == manifold.residual(x).shape
    torch.testing.assert_close(d, torch.full_like(d, t), rtol=1e-9, atol=ROUNDING)
    torch.testing.assert_close(manifold.log(x, y), t * v, rtol=0, atol=1e-10)


@every
def test_transport_is_tangent_at_the_target(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    y = manifold.retract(x, 0.5 * v)
    w = manifold.transport(x, y, v)
    torch.testing.assert_close(manifold.tangent(y, w), w, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.transport(x, x, v), v, rtol=0, atol=ROUNDING)


@every
def test_a_thousand_retractions_do_not_leave(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    for seed in range(1000):
        x = manifold.retract(x, manifold.tangent(x, normal(shape, seed)))
    assert manifold.residual(x).max() < ROUNDING


@every
def test_a_batch_is_its_points_one_by_one(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = torch.stack([point(manifold, shape, seed) for seed in range(3)])
    u = normal((3, *shape), 5)
    v = torch.stack([manifold.tangent(x[i], u[i]) for i in range(3)])
    y = torch.stack([manifold.retract(x[i], v[i]) for i in range(3)])
    torch.testing.assert_close(manifold.tangent(x, u), v, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.retract(x, v), y, rtol=0, atol=ROUNDING)
    if manifold.name != "euclidean":  # where a vector is not told from a row of a matrix
        lengths = torch.stack([manifold.inner(x[i], v[i], v[i]) for i in range(3)])
        residuals = torch.stack([manifold.residual(y[i]) for i in range(3)])
        torch.testing.assert_close(manifold.inner(x, v, v), lengths, rtol=0, atol=ROUNDING)
        torch.testing.assert_close(manifold.residual(y), residuals, rtol=0, atol=ROUNDING)


@every
def test_numbers_per_point_broadcast(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """`inner` divides a vector; `residual` has one number per point."""
    x = point(manifold, shape)
    inner = manifold.inner(x, x, x)
    assert (x / inner).shape == shape
    assert inner.numel() == manifold.residual(x).numel()


@every
@pytest.mark.parametrize(
    ("dtype", "precision"), [(torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")]
)
def test_half_precision_is_storage_only(
    manifold: Manifold, shape: tuple[int, ...], dtype: torch.dtype, precision: str
) -> None:
    """Every result is the float32 result, rounded once, and stays within the residual of its precision."""
    x, u = point(manifold, shape).to(dtype), normal(shape, 1).to(dtype)
    for method in (manifold.tangent, manifold.gradient, manifold.retract):
        got = method(x, u)
        assert got.dtype == dtype
        torch.testing.assert_close(got, method(x.float(), u.float()).to(dtype), rtol=0, atol=0)
    assert manifold.inner(x, u, u).dtype == torch.float32
    assert manifold.residual(x).dtype == torch.float32
    assert torch.equal(manifold.project(x), manifold.project(x.float()).to(dtype))
    for seed in range(100):
        y = manifold.retract(x, manifold.tangent(x, normal(shape, seed).to(dtype)))
        assert torch.equal(manifold.transport(x, y, u), manifold.transport(x.float(), y.float(), u.float()).to(dtype))
        x = y
    assert x.dtype == dtype
    assert manifold.residual(x).max() <= RESIDUAL_MAX[precision]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("manifold", "shape"), cases(GEODESICS))
def test_geodesics_in_narrow_storage(manifold: Geodesic, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    y = manifold.exp(x.to(dtype), v.to(dtype))
    assert y.dtype == dtype
    # points and velocities are rounded once each, entries are O(1)
    torch.testing.assert_close(y.double(), manifold.exp(x, v), rtol=0, atol=8 * torch.finfo(dtype).eps)


@every
def test_not_a_number_goes_through(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """A divergence shows as NaN at the judge, not as an exception of a factorisation."""
    x = point(manifold, shape)
    assert manifold.retract(x, torch.full_like(x, math.nan)).isnan().any()
    assert not manifold.project(torch.full_like(x, math.inf)).isfinite().any()


def test_one_bad_matrix_does_not_spoil_its_batch() -> None:
    manifold = Stiefel(retraction=polar)
    x = point(manifold, (2, 5, 3))
    v = torch.zeros_like(x)
    v[0, 0, 0] = math.nan
    y = manifold.retract(x, v)
    assert y[0].isnan().all()
    torch.testing.assert_close(y[1], x[1], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("norm", [1e-3, 0.02, 0.045, 0.3, 3.0])
def test_matrix_exponential_is_exact_at_every_norm(norm: float) -> None:
    """Against the rotation by an angle, which has a closed form."""
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    rotation = math.cos(norm) * torch.eye(2, dtype=torch.float64) + math.sin(norm) * quarter
    torch.testing.assert_close(expm(norm * quarter), rotation, rtol=0, atol=1e-14)


def test_equal_manifolds_are_equal() -> None:
    """They are values: a table of them can be searched."""
    assert Stiefel() == Stiefel()
    assert Stiefel() != Stiefel(retraction=polar)
    assert len({*MANIFOLDS, Sphere(), Euclidean()}) == len(MANIFOLDS)


X, V = torch.eye(5, 2, dtype=torch.float64), torch.zeros(5, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Stiefel().retract(X, V),
            r"^Stiefel\.retract: v has shape \[5, 3\], expected \[5, 2\], the shape of x\.$",
        ),
        (lambda: Stiefel().tangent(X, V), r"^Stiefel\.tangent: u has shape \[5, 3\]"),
        (lambda: Stiefel().gradient(X, V), r"^Stiefel\.gradient: g has shape \[5, 3\]"),
        (lambda: Stiefel().transport(X, V, X), r"^Stiefel\.transport: y has shape \[5, 3\]"),
        (lambda: Stiefel().inner(X, X, V), r"^Stiefel\.inner: v has shape \[5, 3\]"),
        (lambda: Stiefel().exp(X, V), r"^Stiefel\.exp: v has shape \[5, 3\]"),
        (
            lambda: Stiefel().project(X.T),
            r"^Stiefel\.project: x has shape \[2, 5\], expected \[\.\.\., n, p\] with p <= n\.$",
        ),
        (lambda: Stiefel().residual(X[0]), r"^Stiefel\.residual: x has shape \[2\], expected \[\.\.\., n, p\]"),
        (lambda: Stiefel().random((2, 5), generator()), r"^Stiefel\.random: x has shape \[2, 5\], expected"),
        (lambda: Sphere().retract(X, V), r"^Sphere\.retract: v has shape \[5, 3\], expected \[5, 2\]"),
        (lambda: Sphere().project(X[0, 0]), r"^Sphere\.project: x has shape \[\], expected vectors \[\.\.\., n\]\.$"),
        (lambda: Sphere().log(X, V), r"^Sphere\.log: y has shape \[5, 3\]"),
        (lambda: Euclidean().retract(X, V), r"^Euclidean\.retract: v has shape \[5, 3\], expected \[5, 2\]"),
        (lambda: Euclidean().dist(X, V), r"^Euclidean\.dist: y has shape \[5, 3\]"),
    ],
)
def test_shape_errors_say_what_was_expected(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()
