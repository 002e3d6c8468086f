"""What every manifold promises, with every metric and retraction, at several shapes."""

from __future__ import annotations

import math

import pytest
import torch

from rmobench.geometry import MANIFOLDS, FixedRank, Grassmann, Spd, Sphere, Stiefel, polar
from rmobench.types import RESIDUAL_MAX, Manifold
from tests.geometry.cases import (
    ROUNDING,
    dimension,
    every_metric,
    every_retraction,
    every_walk,
    generator,
    label,
    normal,
    point,
    random_step,
    unit_tangent,
)


@every_metric
def test_random_points_lie_on_the_manifold_in_float64(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    assert x.shape == shape
    assert x.dtype == torch.float64
    assert manifold.residual(x).max() < ROUNDING
    assert not torch.equal(x, point(manifold, shape, seed=1))
    assert torch.equal(x, point(manifold, shape, seed=0))


@every_metric
def test_projection_lands_on_the_manifold_and_fixes_its_points(manifold: Manifold, shape: tuple[int, ...]) -> None:
    y = manifold.project(normal(shape, 0))
    assert manifold.residual(y).max() < ROUNDING
    for x in (y, point(manifold, shape)):
        torch.testing.assert_close(manifold.project(x), x, rtol=0, atol=ROUNDING)


@every_metric
def test_tangent_projection_is_linear_idempotent_selfadjoint(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x, u, v = point(manifold, shape), normal(shape, 1), normal(shape, 2)
    Pu, Pv = manifold.tangent(x, u), manifold.tangent(x, v)
    torch.testing.assert_close(manifold.tangent(x, 2.0 * u - 3.0 * v), 2.0 * Pu - 3.0 * Pv, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.tangent(x, Pu), Pu, rtol=0, atol=ROUNDING)
    # products with the inverse of an Spd point are larger than 1
    torch.testing.assert_close(manifold.inner(x, Pu, v), manifold.inner(x, u, Pv), rtol=ROUNDING, atol=ROUNDING)


@every_metric
def test_inner_product_is_one(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """Bilinear, symmetric, positive."""
    x, u, v, w = point(manifold, shape), *(normal(shape, seed) for seed in (1, 2, 3))
    near = {"rtol": ROUNDING, "atol": 100 * ROUNDING}
    combined = 2.0 * manifold.inner(x, u, v) - 3.0 * manifold.inner(x, w, v)
    torch.testing.assert_close(manifold.inner(x, 2.0 * u - 3.0 * w, v), combined, **near)
    torch.testing.assert_close(manifold.inner(x, u, v), manifold.inner(x, v, u), **near)
    assert (manifold.inner(x, u, u) > 0).all()


@every_metric
def test_dimension_of_the_tangent_space(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    basis = torch.eye(x.numel(), dtype=torch.float64).reshape(-1, *shape)
    images = torch.stack([manifold.tangent(x, e).flatten() for e in basis])
    eigenvalues = torch.linalg.eigvalsh(images @ images.T)
    assert (eigenvalues > 0.5).sum() == dimension(manifold, shape)


@every_metric
def test_transport_is_tangent_at_the_target(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    y = manifold.retract(x, 0.5 * v)
    w = manifold.transport(x, y, v)
    torch.testing.assert_close(manifold.tangent(y, w), w, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.transport(x, x, v), v, rtol=0, atol=ROUNDING)


@every_walk
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, ROUNDING), (torch.float32, 1e-5)])
def test_a_thousand_retractions_do_not_leave(
    manifold: Manifold, shape: tuple[int, ...], dtype: torch.dtype, rounding: float
) -> None:
    x, draw = point(manifold, shape).to(dtype), generator(2)
    for _ in range(1000):
        x = random_step(manifold, x, draw)
    assert x.isfinite().all()
    assert manifold.residual(x).max() < rounding


@every_retraction
@pytest.mark.parametrize("length", [1e-8, 1.0, 1e3])
def test_retraction_stays_at_every_length(manifold: Manifold, shape: tuple[int, ...], length: float) -> None:
    x = point(manifold, shape)
    y = manifold.retract(x, length * unit_tangent(manifold, x))
    assert y.isfinite().all()
    assert manifold.residual(y).max() < ROUNDING


@every_retraction
def test_a_batch_is_its_points_one_by_one(manifold: Manifold, shape: tuple[int, ...]) -> None:
    x = torch.stack([point(manifold, shape, seed) for seed in range(3)])
    u = normal((3, *shape), 5)
    v = torch.stack([manifold.tangent(x[i], u[i]) for i in range(3)])
    y = torch.stack([manifold.retract(x[i], v[i]) for i in range(3)])
    torch.testing.assert_close(manifold.tangent(x, u), v, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.retract(x, v), y, rtol=ROUNDING, atol=ROUNDING)
    if manifold.name != "euclidean":  # where a vector is not told from a row of a matrix
        lengths = torch.stack([manifold.inner(x[i], v[i], v[i]) for i in range(3)])
        residuals = torch.stack([manifold.residual(y[i]) for i in range(3)])
        torch.testing.assert_close(manifold.inner(x, v, v), lengths, rtol=ROUNDING, atol=ROUNDING)
        torch.testing.assert_close(manifold.residual(y), residuals, rtol=0, atol=ROUNDING)


@every_metric
def test_numbers_per_point_broadcast(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """`inner` divides a vector; `residual` has one number per point."""
    x = point(manifold, shape)
    inner = manifold.inner(x, x, x)
    assert (x / inner).shape == shape
    assert inner.numel() == manifold.residual(x).numel()


@every_retraction
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_is_storage_only(manifold: Manifold, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Every result is the float32 result, rounded once."""
    x, u = point(manifold, shape).to(dtype), normal(shape, 1).to(dtype)
    y = manifold.retract(x, u)
    assert y.dtype == dtype
    torch.testing.assert_close(y, manifold.retract(x.float(), u.float()).to(dtype), rtol=0, atol=0)


@every_metric
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_is_storage_only_for_vectors(
    manifold: Manifold, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    x, u = point(manifold, shape).to(dtype), normal(shape, 1).to(dtype)
    y = manifold.retract(x, 0.1 * manifold.tangent(x, u))
    for got, wide in [
        (manifold.tangent(x, u), manifold.tangent(x.float(), u.float())),
        (manifold.gradient(x, u), manifold.gradient(x.float(), u.float())),
        (manifold.transport(x, y, u), manifold.transport(x.float(), y.float(), u.float())),
        (manifold.project(u), manifold.project(u.float())),
        (manifold.hessian(x, u, y, u), manifold.hessian(x.float(), u.float(), y.float(), u.float())),
    ]:
        assert got.dtype == dtype
        torch.testing.assert_close(got, wide.to(dtype), rtol=0, atol=0)
    assert manifold.inner(x, u, u).dtype == torch.float32
    assert manifold.residual(x).dtype == torch.float32


@every_walk
@pytest.mark.parametrize(
    ("dtype", "precision"), [(torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")]
)
def test_residual_in_narrow_storage_is_that_of_the_precision(
    manifold: Manifold, shape: tuple[int, ...], dtype: torch.dtype, precision: str
) -> None:
    """Roundings of the storage do not add up."""
    x, draw = point(manifold, shape).to(dtype), generator(2)
    for _ in range(100):
        x = random_step(manifold, x, draw)
    assert x.dtype == dtype
    assert manifold.residual(x).max() <= RESIDUAL_MAX[precision]


@every_retraction
def test_not_a_number_goes_through(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """A divergence shows as NaN at the judge, not as an exception of a factorisation."""
    x, nan = point(manifold, shape), torch.full(shape, math.nan, dtype=torch.float64)
    assert manifold.retract(x, nan).isnan().any()
    assert manifold.tangent(nan, x).isnan().any() or manifold.name in ("euclidean", "spd")  # which do not look at x
    assert manifold.transport(x, x, nan).isnan().any()
    assert manifold.inner(x, nan, nan).isnan().any()
    assert manifold.residual(nan).isnan().any() or manifold.name == "euclidean"
    assert not manifold.project(torch.full_like(x, math.inf)).isfinite().any()


@pytest.mark.parametrize("manifold", [m for m in MANIFOLDS if m.name not in ("euclidean", "sphere")], ids=label)
def test_one_bad_matrix_does_not_spoil_its_batch(manifold: Manifold) -> None:
    x = point(manifold, (2, 4, 4) if manifold == Spd() else (2, 5, 3))
    v = torch.zeros_like(x)
    v[0, 0, 0] = math.nan
    y = manifold.retract(x, v)
    assert y[0].isnan().any()
    torch.testing.assert_close(y[1], x[1], rtol=0, atol=ROUNDING)


def test_equal_manifolds_are_equal() -> None:
    """They are values: a table of them can be searched."""
    assert Stiefel() == Stiefel()
    assert len({Stiefel(), Stiefel(retraction=polar), Stiefel(metric="canonical"), Grassmann()}) == 4
    assert FixedRank(rank=2) != FixedRank(rank=3)
    assert len({*MANIFOLDS, Sphere(), Spd(), Stiefel()}) == len(MANIFOLDS)
