"""Recorded people on our body: what it can do it does, and how far off it stays is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

pytest.importorskip("mujoco", reason="mujoco is not installed (extra `pose`)")

from rmobench.data import SOURCES
from rmobench.errors import ArgumentError
from rmobench.physics.configuration import difference, integrate, limit_excess, pose_of
from rmobench.physics.kinematics import feelers, landmarks
from rmobench.tasks.pose.aims import NECK, aims
from rmobench.tasks.pose.clips import adult, moving
from rmobench.tasks.pose.first_guess import first_guess
from rmobench.tasks.pose.retarget import placed_points, retarget

F64 = torch.float64
COUNTED = [joint for joint in range(17) if joint != NECK]
PRESENT = pytest.mark.skipif(
    SOURCES["deepmimic"].where() is None, reason="no clips on this machine: `rmobench data fetch deepmimic`"
)


def moved(n_frames: int = 6) -> Tensor:
    """Return configurations [frames, nq] with bent legs and swinging arms, turned about the vertical."""
    body, time = adult(), torch.linspace(0.0, 1.0, n_frames, dtype=F64).unsqueeze(-1)
    angles = torch.zeros(n_frames, body.n_driven, dtype=F64)
    for column, angle in {
        0: 0.2,
        1: -0.5,
        3: 0.9,
        7: -0.1,
        8: 0.3,
        10: 0.4,
        21: -0.6,
        23: 1.0,
        24: 0.5,
        27: 0.7,
    }.items():
        angles[:, column] = angle * (1.0 if column < 14 else 0.5 + time[:, 0])  # legs stand still, arms swing
    turn = torch.zeros(n_frames, body.n_dofs, dtype=F64)
    turn[:, 5] = 0.7
    turn[:, :2] = time * torch.tensor([1.0, -0.5], dtype=F64)
    return integrate(body, pose_of(body, angles), turn)


def shape(joints: Tensor) -> Tensor:
    """Positions about the pelvis, without the neck."""
    return (joints - joints[:, :1])[:, COUNTED]


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_our_own_motion_comes_back(scale: float) -> None:
    """At any size of the person; where no joint shows a turn, rest decides."""
    joints = landmarks(adult(), moved())
    found = retarget(adult(), scale * joints)
    assert found.residual_mm.max() < 2.0
    torch.testing.assert_close(shape(landmarks(adult(), found.qpos)), shape(joints), rtol=0, atol=4e-3)


def test_the_first_guess_places_limbs_exactly() -> None:
    joints = landmarks(adult(), moved())
    for there in joints:
        off = landmarks(adult(), first_guess(adult(), there)) - there
        assert off[COUNTED].abs().max() < 1e-9


def test_aims_keep_directions_and_take_our_lengths() -> None:
    generator = torch.Generator().manual_seed(0)
    home = landmarks(adult(), adult().home)
    recorded = home + 0.1 * torch.randn(5, 17, 3, generator=generator, dtype=F64)
    there = aims(recorded, home)
    for joint, carrier in ((2, 1), (3, 2), (12, 11), (13, 12), (7, 0), (8, 7)):
        length = (home[joint] - home[carrier]).norm()
        torch.testing.assert_close((there[:, joint] - there[:, carrier]).norm(dim=-1), length.expand(5))
        directions = torch.cosine_similarity(
            there[:, joint] - there[:, carrier], recorded[:, joint] - recorded[:, carrier], dim=-1
        )
        torch.testing.assert_close(directions, torch.ones(5, dtype=F64))


def test_derivatives_of_points_are_those_of_the_body() -> None:
    body = adult()
    (qpos,), v = moved(1), torch.randn(body.n_dofs, generator=torch.Generator().manual_seed(1), dtype=F64)
    columns = torch.cat([body.landmark_points, body.feeler_points], dim=1)
    _, slope = placed_points(body, qpos, columns)
    ahead, behind = (placed_points(body, integrate(body, qpos, h * v), columns)[0] for h in (1e-6, -1e-6))
    torch.testing.assert_close(slope @ v, (ahead - behind) / 2e-6, rtol=0, atol=1e-8)


def test_a_lying_person_lies_above_the_ground() -> None:
    """On its back, recorded 0.3 m too low: lifted, and nothing sinks in by 2 cm."""
    body = adult()
    turn = torch.zeros(body.n_dofs, dtype=F64)
    turn[4] = -torch.pi / 2
    lying = landmarks(body, integrate(body, body.home, turn)) + torch.tensor([0.0, 0.0, -1.1], dtype=F64)
    found = retarget(body, lying.expand(3, -1, -1))
    assert feelers(body, found.qpos)[..., 2].min() > -0.02


def test_other_shapes_are_refused() -> None:
    with pytest.raises(
        ArgumentError, match=r"retarget: got positions of shape \[2, 32, 3\], expected \[frames, 17, 3\]"
    ):
        retarget(adult(), torch.zeros(2, 32, 3))


CLIPS = {"walk": 3.0, "run": 6.0, "jump": 5.0}
"""Mean residual (mm) that is not exceeded."""


@PRESENT
@pytest.mark.parametrize("clip", CLIPS)
def test_clips_are_on_our_body_within_millimetres(clip: str) -> None:
    """Within the joints' ranges to a tenth of a radian, on the ground to a few centimetres, without a jump."""
    body, found = adult(), moving("deepmimic", clip)
    assert found.residual_mm.mean() < CLIPS[clip]
    assert limit_excess(body, found.qpos).max() < 0.1
    assert feelers(body, found.qpos)[..., 2].min() > -0.03
    rates = 30.0 * difference(body, found.qpos[:-1], found.qpos[1:])
    assert rates.abs().max() < 30.0  # rad/s: one radian from a frame to the next
