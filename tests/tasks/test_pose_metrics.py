"""How far a motion is from another: cases by hand, and what a measure must not see."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.tasks.pose.metrics import (
    foot_skate,
    mpjpe,
    mpjpe_2d,
    mpjpe_global,
    mpjpe_procrustes,
    penetration_depth,
    root_residual_force,
    total_variation,
)

ROUNDING = 1e-9  # mm, of lengths of 1,000 mm in double precision
BATCH, FRAMES, JOINTS = 3, 5, 17
FALL = torch.tensor([0.0, 0.0, -9.81], dtype=torch.float64)


def motion(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*(shape or (BATCH, FRAMES, JOINTS, 3)), dtype=torch.float64, generator=generator)


def rotation(seed: int, *shape: int) -> Tensor:
    """Proper rotations [*shape, 3, 3]."""
    q, _ = torch.linalg.qr(motion(seed, *shape, 3, 3))
    return q * torch.linalg.det(q)[..., None, None]


def shifted(x: Tensor) -> Tensor:
    return x + torch.tensor([0.3, -0.4, 1.2], dtype=x.dtype)


SQUARE = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)[None]

BY_HAND: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor, float]] = {
    "all joints off by a vector of length 1.3": (mpjpe_global, shifted(SQUARE), 1300.0),
    "that is no error about the root": (mpjpe, shifted(SQUARE), 0.0),
    "one of four joints off by 0.2": (mpjpe_global, SQUARE + 0.2 * torch.eye(4, 3).roll(1, 0)[None].double(), 150.0),
    "the root off by 0.2 takes the others along": (
        mpjpe,
        SQUARE + torch.tensor([[0.2, 0, 0]] + [[0, 0, 0]] * 3).double(),
        150.0,
    ),
    "twice as large": (mpjpe, 2 * SQUARE, 1000 * (2 + math.sqrt(2)) / 4),
    "twice as large is similar": (mpjpe_procrustes, shifted(2 * SQUARE), 0.0),
    "all joints in one point: the distances from the middle": (mpjpe_procrustes, 0 * SQUARE, 1000 * math.sqrt(0.5)),
}


@pytest.mark.parametrize(("measure", "predicted", "expected"), BY_HAND.values(), ids=BY_HAND.keys())
def test_cases_by_hand(measure: Callable[[Tensor, Tensor], Tensor], predicted: Tensor, expected: float) -> None:
    assert measure(predicted, SQUARE).item() == pytest.approx(expected, abs=1e-5)


def test_a_mirrored_body_is_not_similar() -> None:
    """A corner and its mirror image: no better than the best of many turns, each with its best scale."""
    x = torch.cat([torch.zeros(1, 3), torch.eye(3)]).double()[None]
    mirrored = x * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    found = mpjpe_procrustes(mirrored, x)
    rotations = rotation(0, 20_000)
    X, Y = mirrored - mirrored.mean(1, keepdim=True), x - x.mean(1, keepdim=True)
    turned = X @ rotations
    scale = (turned * Y).sum((-2, -1)) / X.square().sum()
    residual = (scale[:, None, None] * turned - Y).square().sum((-2, -1))
    best = residual.argmin()
    assert found.item() > 100.0
    assert found.item() == pytest.approx(mpjpe_global(scale[best] * turned[best][None], Y).item(), rel=0.05)


ALIKE: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "PA: moved, frame by frame": (mpjpe_procrustes, lambda x: x + motion(7, BATCH, FRAMES, 1, 3)),
    "PA: turned, frame by frame": (mpjpe_procrustes, lambda x: x @ rotation(8, BATCH, FRAMES)),
    "PA: scaled, frame by frame": (mpjpe_procrustes, lambda x: x * motion(9, BATCH, FRAMES, 1, 1).exp()),
    "root: moved, frame by frame": (mpjpe, lambda x: x + motion(7, BATCH, FRAMES, 1, 3)),
}


@pytest.mark.parametrize(("measure", "change"), ALIKE.values(), ids=ALIKE.keys())
def test_what_a_measure_does_not_see(
    measure: Callable[[Tensor, Tensor], Tensor], change: Callable[[Tensor], Tensor]
) -> None:
    x, y = motion(1), motion(2)
    assert torch.allclose(measure(change(x), y), measure(x, y), atol=ROUNDING)
    assert not torch.allclose(mpjpe_global(change(x), y), mpjpe_global(x, y), atol=1.0)
    assert (measure(change(y), y) < ROUNDING).all()


@pytest.mark.parametrize("measure", [mpjpe_global, mpjpe, mpjpe_procrustes])
def test_both_motions_may_be_moved_and_turned_together(measure: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, y, turn = motion(1), motion(2), rotation(3)
    assert torch.allclose(measure(shifted(x @ turn), shifted(y @ turn)), measure(x, y), atol=ROUNDING)


def test_each_alignment_can_only_help() -> None:
    """Two joints opposite each other are equally far off, so that the least squares are the least distance."""
    x, y = motion(1, 50, 1, 1, 3), motion(2, 50, 1, 1, 3)
    x, y = torch.cat([x, -x], dim=-2), torch.cat([y, -y], dim=-2)
    assert (mpjpe_procrustes(x, y) <= mpjpe_global(x, y) + ROUNDING).all()


@pytest.mark.parametrize("measure", [mpjpe_global, mpjpe, mpjpe_procrustes])
def test_a_batch_is_its_parts(measure: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, y = motion(1), motion(2)
    assert measure(x, y).shape == (BATCH,)
    assert torch.equal(measure(x, y), torch.stack([measure(a, b) for a, b in zip(x, y, strict=True)]))
    assert torch.allclose(measure(x, y[0]), torch.stack([measure(a, y[0]) for a in x]))


def test_pixels() -> None:
    """Joints off by 3, 4 and 0 px in two cameras."""
    off = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    seen = torch.zeros(2, 6, 2, 2, dtype=torch.float64)
    assert mpjpe_2d(seen + off, seen).tolist() == [2.5, 2.5]


@pytest.mark.parametrize("dt_s", [0.02, 0.5])
def test_free_fall_has_no_total_variation(dt_s: float) -> None:
    t = dt_s * torch.arange(9, dtype=torch.float64)[:, None, None]
    fall = motion(1, 1, 4, 3) + t * motion(2, 1, 4, 3) + 0.5 * t**2 * FALL
    assert total_variation(fall, dt_s=dt_s).item() == pytest.approx(0.0, abs=1e-9)


def test_total_variation_of_a_cubic() -> None:
    """x = t^3 / 6 has the acceleration t, which changes by dt a frame; two of three joints move so, one along y."""
    dt_s = 0.1
    t = dt_s * torch.arange(12, dtype=torch.float64)
    x = torch.zeros(2, 12, 3, 3, dtype=torch.float64)
    x[..., 0, 0] = x[..., 1, 1] = t**3 / 6
    x[1] *= 10
    assert total_variation(x, dt_s=dt_s).tolist() == pytest.approx([2 * dt_s, 20 * dt_s])


def test_total_variation_does_not_see_where_and_how_a_motion_is_turned() -> None:
    x = motion(1)
    there = total_variation(shifted(x @ rotation(2)), dt_s=0.02)
    assert torch.allclose(there, total_variation(x, dt_s=0.02), rtol=1e-12)


def sole(*places: tuple[float, float, float]) -> Tensor:
    """One point of one foot."""
    return torch.tensor(places, dtype=torch.float64)[:, None]


SKATES = {
    "stands": (sole((0, 0, 0), (0, 0, 0), (0, 0, 0)), 0.0),
    "slides 3 cm once in two steps": (sole((0, 0, 0), (0.03, 0, 0), (0.03, 0, 0)), 50.0),
    "slides 1.9 cm each": (sole((0, 0, 0), (0.019, 0, 0), (0.038, 0, 0)), 0.0),
    "slides 2.1 cm askew": (sole((0, 0, 0.01), (0.0149, 0.0149, 0.01)), 100.0),
    "swings 3 cm above the ground": (sole((0, 0, 0.03), (0.1, 0, 0.03)), 0.0),
    "lands": (sole((0, 0, 0.03), (0.1, 0, 0)), 0.0),
    "sinks": (sole((0, 0, 0), (0, 0, -0.1)), 0.0),
    "one of two feet slides": (torch.cat([sole((0, 0, 0), (0, 0, 0)), sole((0, 1, 0), (0, 2, 0))], dim=1), 100.0),
}


@pytest.mark.parametrize(("feet", "expected"), SKATES.values(), ids=SKATES.keys())
def test_skating(feet: Tensor, expected: float) -> None:
    assert foot_skate(feet).item() == expected
    assert foot_skate(torch.stack([feet, 0 * feet])).tolist() == [expected, 0.0]


def test_the_thresholds_of_skating_can_be_chosen() -> None:
    feet = sole((0, 0, 0.03), (0.1, 0, 0.03))
    assert foot_skate(feet, contact_m=0.04).item() == 100.0
    assert foot_skate(feet, contact_m=0.04, slip_m=0.11).item() == 0.0


def test_depth_below_the_ground() -> None:
    """Two frames: above the ground, and two of three points below."""
    z = torch.tensor([[0.1, 0.0, 0.3], [-0.01, 0.2, -0.025]], dtype=torch.float64)
    points = torch.stack([z + 5, z - 5, z], dim=-1)
    assert penetration_depth(points).tolist() == pytest.approx([0.0, 25.0])
    assert penetration_depth(points[None]).shape == (1, 2)


MASS_KG, DT_S = 70.0, 0.02


def test_a_body_that_falls_or_stands_needs_no_residual_force() -> None:
    t = DT_S * torch.arange(8, dtype=torch.float64)[:, None]
    fall = torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64) * t + 0.5 * t**2 * FALL
    stand = torch.ones(8, 3, dtype=torch.float64)
    centre = torch.stack([fall, stand])
    contact = torch.zeros_like(centre)
    contact[1, :, 2] = MASS_KG * 9.81
    found = root_residual_force(centre, contact, mass_kg=MASS_KG, dt_s=DT_S)
    assert found.shape == (2, 6)
    assert found.abs().max().item() < 1e-7  # N: second differences of metres over 4e-4 s^2


def test_a_body_that_hovers_is_carried_by_its_weight() -> None:
    centre = torch.ones(4, 3, dtype=torch.float64)
    found = root_residual_force(centre, torch.zeros(4, 3).double(), mass_kg=MASS_KG, dt_s=DT_S)
    assert found.tolist() == pytest.approx([MASS_KG * 9.81] * 2)


X = motion(1)
REFUSED = {
    "two dimensions": (
        lambda: mpjpe_global(X[..., :2], X[..., :2]),
        r"mpjpe_global: got shapes \[3, 5, 17, 2\].*nts, 3\]",
    ),
    "one joint": (lambda: mpjpe(X, X[..., :1, :]), r"mpjpe: got shapes .* and \[3, 5, 1, 3\], expected .* same frames"),
    "one frame": (lambda: mpjpe_procrustes(X, X[:, :1]), r"mpjpe_procrustes: got .* and \[3, 1, 17, 3\], expected"),
    "metres for pixels": (
        lambda: mpjpe_2d(X, X),
        r"mpjpe_2d: got shapes .*, expected \[\.\.\., frames, joints, 2\] twice",
    ),
    "three frames": (lambda: total_variation(X[:, :3], dt_s=1.0), r"total_variation: got .* with 4 frames or more"),
    "a single frame": (lambda: foot_skate(X[:, :1]), r"foot_skate: got shape .* with 2 frames or more"),
    "no body": (
        lambda: root_residual_force(X, X[..., :1, :], mass_kg=1.0, dt_s=1.0),
        r"root_residual_force: got shapes",
    ),
}


@pytest.mark.parametrize(("ask", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused(ask: Callable[[], Tensor], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        ask()
