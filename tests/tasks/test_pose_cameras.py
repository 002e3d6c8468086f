"""Pinhole cameras: projections by hand, the lens, and four cameras that all see a person."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.tasks.pose.cameras import NEAREST_M, PLACES_M, SIZE_PX, Cameras, human36m_like, looking_at, project

ROUNDING = 1e-9  # px of 1,000


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def camera(**changed: Tensor) -> Cameras:
    """One at (0, -5, 1) that looks along y, with no distortion."""
    plain = Cameras(
        rotation=looking_at(vector(0, -5, 1), vector(0, 0, 1))[None],
        place_m=vector(0, -5, 1)[None],
        focal_px=vector(1000, 2000)[None],
        centre_px=vector(500, 400)[None],
        radial=torch.zeros(1, 3, dtype=torch.float64),
        tangential=torch.zeros(1, 2, dtype=torch.float64),
    )
    return dataclasses.replace(plain, **changed)


BY_HAND = {
    "ahead": ((0, 0, 1), (500, 400)),
    "right": ((1, 0, 1), (700, 400)),
    "up is less in the picture": ((0, 0, 2), (500, 0)),
    "twice as far": ((1, 5, 1), (600, 400)),
    "both": ((-0.5, -2.5, 1.25), (300, 200)),
}


@pytest.mark.parametrize(("point", "pixel"), BY_HAND.values(), ids=BY_HAND.keys())
def test_where_a_point_is_seen(point: tuple[float, ...], pixel: tuple[float, ...]) -> None:
    assert project(camera(), vector(*point)).tolist() == [pytest.approx(pixel, abs=ROUNDING)]


LENSES = {
    # the point (2, 0, 2.5) is at x = 0.4, y = -0.3, r^2 = 0.25 in the picture's plane
    "k1": ({"radial": (0.4, 0, 0)}, (0.4 * 1.1, -0.3 * 1.1)),
    "k2": ({"radial": (0, 1.6, 0)}, (0.4 * 1.1, -0.3 * 1.1)),
    "k3": ({"radial": (0, 0, 6.4)}, (0.4 * 1.1, -0.3 * 1.1)),
    "p1": ({"tangential": (0.1, 0)}, (0.4 - 0.024, -0.3 + 0.1 * (0.25 + 0.18))),
    "p2": ({"tangential": (0, 0.1)}, (0.4 + 0.1 * (0.25 + 0.32), -0.3 - 0.024)),
    "k1 and p2": ({"radial": (0.4, 0, 0), "tangential": (0, 0.1)}, (0.44 + 0.057, -0.33 - 0.024)),
}


@pytest.mark.parametrize(("lens", "plane"), LENSES.values(), ids=LENSES.keys())
def test_the_lens(lens: dict[str, tuple[float, ...]], plane: tuple[float, float]) -> None:
    found = project(camera(**{name: vector(*values)[None] for name, values in lens.items()}), vector(2, 0, 2.5))
    x, y = plane
    assert found.tolist() == [pytest.approx((500 + 1000 * x, 400 + 2000 * y), abs=ROUNDING)]


@pytest.mark.parametrize("depth_m", [0.05, 0.0, -3.0])
def test_a_point_behind_is_seen_at_the_nearest_depth(depth_m: float) -> None:
    found = project(camera(), vector(0.02, -5 + depth_m, 1))
    assert found.tolist() == [pytest.approx((500 + 1000 * 0.02 / NEAREST_M, 400), abs=1e-6)]


def test_cameras_and_batches_of_points() -> None:
    cameras = human36m_like()
    points = torch.randn(2, 3, 17, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = project(cameras, points)
    assert found.shape == (4, 2, 3, 17, 2)
    for number in range(4):
        one = Cameras(**{f.name: getattr(cameras, f.name)[number : number + 1] for f in dataclasses.fields(cameras)})
        assert torch.allclose(found[number, 1, 2, 5], project(one, points[1, 2, 5])[0], atol=ROUNDING)
    batched = torch.func.vmap(lambda p: project(cameras, p), out_dims=1)(points)
    assert torch.allclose(batched, found, atol=ROUNDING)


def test_the_four_see_a_person_in_the_middle_whole() -> None:
    """Two metres high, from the middle up to one metre to any side."""
    person = torch.cartesian_prod(vector(-1, 0, 1), vector(-1, 0, 1), vector(0, 0.9, 2.0))
    pixels = project(human36m_like(), person)
    assert pixels.min() > 0
    assert (pixels.amax(dim=(0, 1)) < vector(*SIZE_PX)).all()
    middle = project(human36m_like(), vector(0, 0, 0.9))
    assert torch.allclose(middle, vector(512, 512).expand(4, 2), atol=ROUNDING)


def test_what_is_higher_is_higher_in_every_picture() -> None:
    low, high = project(human36m_like(), torch.stack([vector(0.3, 0.2, 0.5), vector(0.3, 0.2, 1.5)])).unbind(dim=1)
    assert (high[:, 1] < low[:, 1] - 100).all()


def test_rotations_are_proper_and_upright() -> None:
    R = human36m_like().rotation
    assert torch.allclose(R @ R.mT, torch.eye(3, dtype=torch.float64).expand(4, 3, 3), atol=1e-14)
    assert torch.allclose(torch.linalg.det(R), torch.ones(4, dtype=torch.float64))
    assert (R[:, 0, 2].abs() < 1e-15).all()
    assert len(PLACES_M) == len(R)


def test_gradients_pass() -> None:
    points = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: project(human36m_like(), p), points)


def test_a_camera_that_looks_down_has_no_upright() -> None:
    with pytest.raises(
        ArgumentError, match=r"got places \[0\.0, 0\.0, 5\.0\] .*expected no camera to look straight up"
    ):
        looking_at(vector(0, 0, 5), vector(0, 0, 1))
