"""exp, log, dist and transport against each other and against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rmobench.geometry import GEODESICS, METRICS, Geodesic, Grassmann, Metric, Spd, Sphere, Stiefel, cayley
from rmobench.geometry.exponential import expm
from rmobench.geometry.retractions import skew_factors
from tests.geometry.cases import ROUNDING, cases, normal, once, point, unit_tangent

REACH = {"sphere": math.pi, "grassmann": math.pi / 2}
"""How far geodesics are certainly the shortest ones; without end elsewhere."""


@pytest.mark.parametrize(("manifold", "shape"), cases(once(GEODESICS)))
def test_geodesics_stay_and_keep_their_speed(manifold: Geodesic, shape: tuple[int, ...]) -> None:
    """The velocity at time 1, from central differences, is tangent and as long as at the start."""
    x = point(manifold, shape)
    v, h = unit_tangent(manifold, x), 1e-4
    y = manifold.exp(x, v)
    velocity = (manifold.exp(x, (1 + h) * v) - manifold.exp(x, (1 - h) * v)) / (2 * h)
    speed = manifold.inner(y, velocity, velocity)
    assert manifold.residual(y).max() < ROUNDING
    torch.testing.assert_close(manifold.exp(x, torch.zeros_like(x)), x, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(speed, torch.ones_like(speed), rtol=0, atol=1e-7)  # h^2
    torch.testing.assert_close(manifold.tangent(y, velocity), velocity, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("manifold", "shape"), cases(once(GEODESICS)))
def test_geodesics_run_on(manifold: Geodesic, shape: tuple[int, ...]) -> None:
    """A geodesic started on the way, with the velocity there, ends at the same point."""
    x = point(manifold, shape)
    v, h = unit_tangent(manifold, x), 1e-5
    halfway = manifold.exp(x, 0.5 * v)
    velocity = (manifold.exp(x, (0.5 + h) * v) - manifold.exp(x, (0.5 - h) * v)) / (2 * h)
    velocity = manifold.tangent(halfway, velocity)
    torch.testing.assert_close(manifold.exp(halfway, 0.5 * velocity), manifold.exp(x, v), rtol=0, atol=1e-8)  # h^2


@pytest.mark.parametrize(("manifold", "shape"), cases(once(METRICS)))
@pytest.mark.parametrize("t", [0.0, 1e-6, 0.1, 1.0, 3.0])
def test_distance_along_a_geodesic_is_its_length(manifold: Metric, shape: tuple[int, ...], t: float) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    t = min(t, 0.95 * REACH.get(manifold.name, math.inf))
    y = manifold.exp(x, t * v)
    d = manifold.dist(x, y)
    assert d.shape == manifold.residual(x).shape
    torch.testing.assert_close(d, torch.full_like(d, t), rtol=1e-9, atol=ROUNDING)
    torch.testing.assert_close(manifold.dist(y, x), d, rtol=1e-9, atol=ROUNDING)
    torch.testing.assert_close(manifold.log(x, y), t * v, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("manifold", "shape"), cases(once(METRICS)))
def test_gradient_of_half_the_squared_distance_is_minus_the_logarithm(manifold: Metric, shape: tuple[int, ...]) -> None:
    x, h = point(manifold, shape), 1e-4
    y = manifold.exp(x, 0.7 * unit_tangent(manifold, x))
    u = unit_tangent(manifold, x, seed=2)
    up, down = (0.5 * manifold.dist(manifold.exp(x, s * u), y).square() for s in (h, -h))
    slope = -manifold.inner(x, manifold.log(x, y), u).reshape(up.shape)
    torch.testing.assert_close((up - down) / (2 * h), slope, rtol=0, atol=1e-7)  # h^2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("manifold", "shape"), cases(once(GEODESICS)))
def test_geodesics_in_narrow_storage(manifold: Geodesic, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = point(manifold, shape)
    v = unit_tangent(manifold, x)
    x, v = x.to(dtype), v.to(dtype)
    y = manifold.exp(x, v)
    assert y.dtype == dtype
    # the result is rounded once, and float32 on the way there loses little
    atol = 64 * torch.finfo(torch.float32).eps
    torch.testing.assert_close(y.double(), manifold.exp(x.double(), v.double()), rtol=torch.finfo(dtype).eps, atol=atol)


@pytest.mark.parametrize("norm", [1e-3, 0.02, 0.045, 0.3, 3.0])
def test_matrix_exponential_is_exact_at_every_norm(norm: float) -> None:
    """Against the rotation by an angle, which has a closed form."""
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    rotation = math.cos(norm) * torch.eye(2, dtype=torch.float64) + math.sin(norm) * quarter
    torch.testing.assert_close(expm(norm * quarter), rotation, rtol=0, atol=1e-14)


def skew(x: Tensor, v: Tensor) -> Tensor:
    a, b = skew_factors(x, v)
    return a @ b.mT


@pytest.mark.parametrize("length", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("shape", [(5, 2), (4, 4), (2, 5, 3)])
def test_canonical_geodesic_and_cayley_transform_are_functions_of_one_skew_matrix(
    shape: tuple[int, ...], length: float
) -> None:
    """Against the [n, n] matrices that the implementation never forms."""
    manifold = Stiefel(metric="canonical")
    x = point(manifold, shape)
    v = length * unit_tangent(manifold, x)
    W, eye = skew(x, v), torch.eye(shape[-2], dtype=torch.float64)
    torch.testing.assert_close(W, -W.mT, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(W @ x, v, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(manifold.exp(x, v), expm(W) @ x, rtol=0, atol=ROUNDING)
    dense = torch.linalg.solve(eye - 0.5 * W, (eye + 0.5 * W) @ x)
    torch.testing.assert_close(cayley(x, v), dense, rtol=0, atol=10 * ROUNDING)


def test_rotations_have_the_same_geodesics_in_both_metrics() -> None:
    """At p = n they are x expm(x^T v), and the metrics differ by the factor 2."""
    x = point(Stiefel(), (4, 4))
    v = unit_tangent(Stiefel(), x)
    for manifold in (Stiefel(), Stiefel(metric="canonical")):
        torch.testing.assert_close(manifold.exp(x, v), x @ expm(x.mT @ v), rtol=0, atol=ROUNDING)
    assert Stiefel(metric="canonical").inner(x, v, v).item() == pytest.approx(0.5, abs=ROUNDING)


def test_grassmann_depends_on_spans_only() -> None:
    manifold = Grassmann()
    x, y = point(manifold, (6, 3)), point(manifold, (6, 3), seed=1)
    turned = y @ Stiefel().random((3, 3), torch.Generator().manual_seed(2))
    v = unit_tangent(manifold, x)
    for got, expected in [
        (manifold.dist(x, turned), manifold.dist(x, y)),
        (manifold.log(x, turned), manifold.log(x, y)),
        (manifold.transport(x, turned, v), manifold.transport(x, y, v)),
    ]:
        torch.testing.assert_close(got, expected, rtol=0, atol=ROUNDING)


def test_angles_between_coordinate_planes() -> None:
    """Equal spans 0, one common direction pi / 2, none pi / sqrt(2)."""
    e = torch.eye(4, dtype=torch.float64)
    x, others = e[:, [0, 1]], torch.stack([e[:, [1, 0]], e[:, [1, 2]], e[:, [2, 3]]])
    expected = torch.tensor([0.0, math.pi / 2, math.pi / math.sqrt(2)], dtype=torch.float64)
    torch.testing.assert_close(Grassmann().dist(x.expand_as(others), others), expected, rtol=0, atol=ROUNDING)


def test_lines_are_points_of_the_sphere_up_to_sign() -> None:
    x, y = point(Sphere(), (5,)), point(Sphere(), (5,), seed=1)
    angle = Sphere().dist(x, y)
    line = Grassmann().dist(x[:, None], y[:, None])
    torch.testing.assert_close(line, torch.minimum(angle, math.pi - angle), rtol=0, atol=ROUNDING)


def test_affine_maps_are_isometries_of_spd() -> None:
    x, y, a = point(Spd(), (4, 4)), point(Spd(), (4, 4), seed=1), normal((4, 4), 2)
    moved = [a @ m @ a.mT for m in (x, y)]
    torch.testing.assert_close(Spd().dist(*moved), Spd().dist(x, y), rtol=1e-10, atol=0)
    torch.testing.assert_close(Spd().dist(x.inverse(), y.inverse()), Spd().dist(x, y), rtol=1e-10, atol=0)


def test_transport_of_spd_is_parallel() -> None:
    """Isometric, and the velocity of a geodesic stays its velocity."""
    x, y = point(Spd(), (2, 4, 4)), point(Spd(), (2, 4, 4), seed=1)
    u, v = unit_tangent(Spd(), x, seed=2), unit_tangent(Spd(), x, seed=3)
    moved = [Spd().transport(x, y, w) for w in (u, v)]
    torch.testing.assert_close(Spd().inner(y, *moved), Spd().inner(x, u, v), rtol=0, atol=1e-11)
    torch.testing.assert_close(Spd().transport(x, y, Spd().log(x, y)), -Spd().log(y, x), rtol=1e-11, atol=1e-11)
