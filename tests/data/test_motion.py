"""Skeletons in motion: where the joints are, other time steps, and the seventeen joints."""

from __future__ import annotations

import numpy as np
import pytest

from rmobench.data.motion import Motion, Skeleton, excerpt, joint_positions, resampled
from rmobench.data.provenance import Provenance
from rmobench.data.recording import JOINTS, PARENTS, recorded
from rmobench.errors import ArgumentError

ROUNDING = 1e-12  # metres of O(1), a handful of operations
PROVENANCE = Provenance(name="made", package=None, version=None, file="made", sha256="", licence="CC0")

ARM = Skeleton(
    names=("shoulder", "elbow", "hand"),
    parents=(-1, 0, 1),
    offsets_m=np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    sites=(("shoulder",),) * 16 + (("shoulder", "elbow"),),
)


def turned_about_z(angles: np.ndarray) -> np.ndarray:
    """Quaternions w x y z."""
    return np.stack([np.cos(angles / 2), 0 * angles, 0 * angles, np.sin(angles / 2)], axis=-1)


def arm(times_s: np.ndarray, shoulder: np.ndarray, elbow: np.ndarray, *, root_m: np.ndarray) -> Motion:
    rotations = np.stack([turned_about_z(shoulder), turned_about_z(elbow), turned_about_z(0 * elbow)], axis=1)
    return Motion(name="arm", skeleton=ARM, times_s=times_s, root_m=root_m, rotations=rotations, provenance=PROVENANCE)


def swing(n_frames: int = 9, duration_s: float = 2.0) -> Motion:
    """Both joints turn at constant speed while the root moves straight on: interpolation is exact."""
    times_s = np.linspace(0.0, duration_s, n_frames)
    return arm(times_s, 0.7 * times_s, -1.1 * times_s, root_m=times_s[:, None] * [0.0, 1.0, 0.5])


def test_a_bent_arm() -> None:
    """Upper arm 2 along y after a quarter turn, forearm 1 back along x after another."""
    quarter = np.array([np.pi / 2])
    motion = arm(np.zeros(1), quarter, quarter, root_m=np.array([[1.0, 1.0, 1.0]]))
    expected = [[[1.0, 1.0, 1.0], [1.0, 3.0, 1.0], [0.0, 3.0, 1.0]]]
    np.testing.assert_allclose(joint_positions(motion), expected, atol=ROUNDING)


def test_bones_keep_their_lengths() -> None:
    places = joint_positions(swing())
    lengths = np.linalg.norm(np.diff(places, axis=1), axis=-1)
    np.testing.assert_allclose(lengths, np.tile([2.0, 1.0], (9, 1)), atol=ROUNDING)


@pytest.mark.parametrize(("rate_hz", "n_frames"), [(50.0, 101), (7.0, 15), (0.4, 1)])
def test_other_time_steps(rate_hz: float, n_frames: int) -> None:
    found = resampled(swing(), rate_hz=rate_hz)
    np.testing.assert_allclose(found.times_s, np.arange(n_frames) / rate_hz, atol=ROUNDING)
    direct = arm(found.times_s, 0.7 * found.times_s, -1.1 * found.times_s, root_m=found.root_m)
    np.testing.assert_allclose(found.root_m, found.times_s[:, None] * [0.0, 1.0, 0.5], atol=ROUNDING)
    np.testing.assert_allclose(joint_positions(found), joint_positions(direct), atol=ROUNDING)


def test_the_sign_of_a_quaternion_does_not_matter_between_frames() -> None:
    """A rotation is both q and -q; the way between frames is the shorter one."""
    plain = swing()
    signs = np.where(np.arange(9) % 2, -1.0, 1.0)[:, None, None]
    flipped = Motion(
        name="arm",
        skeleton=ARM,
        times_s=plain.times_s,
        root_m=plain.root_m,
        rotations=signs * plain.rotations,
        provenance=PROVENANCE,
    )
    there = joint_positions(resampled(flipped, rate_hz=33.0))
    np.testing.assert_allclose(there, joint_positions(resampled(plain, rate_hz=33.0)), atol=ROUNDING)


def test_an_excerpt_begins_at_zero() -> None:
    whole = swing()
    part = excerpt(whole, 3, 7)
    np.testing.assert_allclose(part.times_s, [0.0, 0.25, 0.5, 0.75], atol=ROUNDING)
    assert part.duration_s == pytest.approx(0.75)
    assert np.array_equal(joint_positions(part), joint_positions(whole)[3:7])


def test_frames_are_read_only() -> None:
    motion = swing()
    with pytest.raises(ValueError, match="read-only"):
        motion.root_m[0] = 0.0


REFUSED = {
    "no rate": (lambda m: resampled(m, rate_hz=0.0), r"got 0\.0 Hz for 9 frames, expected a positive rate"),
    "one frame": (lambda m: resampled(excerpt(m, 0, 1), rate_hz=5.0), r"5\.0 Hz for 1 frames, .*and two frames"),
    "too long": (lambda m: excerpt(m, 3, 10), r"got frames 3 to 10 of arm, expected 0 <= start < stop <= 9"),
    "nothing": (lambda m: excerpt(m, 3, 3), r"got frames 3 to 3 of arm"),
}


@pytest.mark.parametrize(("ask", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(ask, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        ask(swing())


def test_a_joint_is_the_mean_of_its_sites() -> None:
    motion = swing()
    recording = recorded(motion)
    places = joint_positions(motion)
    assert recording.positions_m.shape == (9, 17, 3)
    assert np.array_equal(recording.positions_m[:, 0], places[:, 0])
    np.testing.assert_allclose(recording.positions_m[:, 16], (places[:, 0] + places[:, 1]) / 2, atol=ROUNDING)
    assert np.array_equal(recording.times_s, motion.times_s)


def test_the_seventeen_are_a_tree_with_two_equal_sides() -> None:
    assert len(JOINTS) == len(PARENTS) == len(set(JOINTS)) == 17
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
    swap = {"left": "right", "right": "left"}
    other = [JOINTS.index("_".join(swap.get(word, word) for word in name.split("_"))) for name in JOINTS]
    assert all(PARENTS[other[joint]] == other[parent] for joint, parent in enumerate(PARENTS) if parent >= 0)
