"""Biovision's format: a made file by hand, what is wrong with a file, and two of CMU's recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmobench.data import MOTIONS, SOURCES
from rmobench.data.bvh import read_bvh
from rmobench.data.motion import Motion, joint_positions
from rmobench.data.provenance import Provenance
from rmobench.data.recording import JOINTS, PARENTS, recorded
from rmobench.errors import DataError, MissingDependencyError

ROUNDING = 1e-12
PATH = Path("somewhere/made.bvh")

MADE = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT Leg
  {
    OFFSET 0 -2 0
    CHANNELS 3 Zrotation Yrotation Xrotation
    End Site
    {
      OFFSET 0 -1 0
    }
  }
}
MOTION
Frames: 3
Frame Time: .5
1 2 3   0 0 0   0 0 0
0 0 0   90 0 0   0 0 0
0 0 0   0 0 0   90 90 0
"""

EXPECTED_Y_UP = (
    [(1, 2, 3), (1, 0, 3), (1, -1, 3)],
    [(0, 0, 0), (2, 0, 0), (3, 0, 0)],  # a quarter turn about z takes -y to x
    [(0, 0, 0), (0, -2, 0), (1, -2, 0)],  # turned about y first, which leaves -y, then about z
)


def read(text: str) -> Motion:
    provenance = Provenance(name="made", package=None, version=None, file="made", sha256="", licence="CC0")
    return read_bvh(PATH, text.encode(), unit_m=0.1, sites=(("Hips",),) * 17, provenance=provenance)


def test_three_poses_by_hand() -> None:
    motion = read(MADE)
    assert motion.name == "made"
    assert motion.skeleton.names == ("Hips", "Leg", "Leg_end")
    assert motion.times_s.tolist() == [0.0, 0.5, 1.0]
    x, y, z = 0.1 * np.moveaxis(np.array(EXPECTED_Y_UP, dtype=float), -1, 0)
    np.testing.assert_allclose(joint_positions(motion), np.stack([x, -z, y], axis=-1), atol=ROUNDING)


@pytest.mark.parametrize(
    ("order", "foot"), [("Zrotation Xrotation", (0.0, 0.1, -0.2)), ("Xrotation Zrotation", (0.1, 0.0, -0.2))]
)
def test_the_order_of_the_channels_is_that_of_the_turns(order: str, foot: tuple[float, ...]) -> None:
    """Quarter turns of the bone -y: turned about x first it comes to -z and stays there; about z first, to x."""
    text = MADE.replace("3 Zrotation Yrotation Xrotation", f"2 {order}").replace("Frames: 3", "Frames: 1")
    head = text[: text.index("1 2 3")]
    leg_end = joint_positions(read(head + "0 0 0   0 0 0   90 90"))[0, 2]
    np.testing.assert_allclose(leg_end, foot, atol=ROUNDING)


WRONG = {
    "empty": ("", r"there is no MOTION"),
    "another format": ("MOTION", r"ends inside the hierarchy"),
    "another beginning": (MADE.replace("HIERARCHY", "HIERARCH"), r"begins with 'HIERARCH', expected HIERARCHY"),
    "no motion": (MADE[: MADE.index("MOTION")], r"there is no MOTION"),
    "an open brace": (MADE.replace("}\nMOTION", "MOTION"), r"ends inside the hierarchy"),
    "half a joint": (MADE.replace("OFFSET 0 -2 0", ""), r"ends inside the hierarchy"),
    "a word": (MADE.replace("OFFSET 0 -2 0", "OFFSET 0 x 0"), r"could not convert string to float: 'x'"),
    "another keyword": (MADE.replace("OFFSET 0 -2 0", "OFSET 0 -2 0"), r"got 'OFSET' in the hierarchy"),
    "another channel": (MADE.replace("3 Zrotation", "3 Wrotation"), r"got the channels \['Wrotation', .*expected Xpos"),
    "an axis twice": (MADE.replace("3 Zrotation", "3 Yrotation"), r"consecutive axes"),
    "moving bones": (MADE.replace("3 Zrotation", "3 Zposition"), r"has positions elsewhere than at the root"),
    "truncated": (MADE[:-4], r"holds 26 numbers, expected 3 frames of 9"),
    "no frames": (MADE.replace("Frames: 3", "Frames: 0"), r"holds 27 numbers, expected 0 frames of 9"),
    "no time step": (MADE.replace("Frame Time:", "Time:"), r"got 'Frames: 3 Time: \.5 1' after MOTION, expected"),
    "not a number": (MADE.replace("90 90 0\n", "90 nan 0\n"), r"holds a number that is not finite"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told(text: str, said: str) -> None:
    with pytest.raises(DataError, match=rf"^somewhere/made\.bvh: .*{said}.*\. Get the published file again\."):
        read(text)


def test_no_text_at_all() -> None:
    with pytest.raises(DataError, match=r"made\.bvh: 'ascii' codec can't decode"):
        read("HIERARCHY \N{SNOWMAN}")


@pytest.mark.skipif(
    SOURCES["cmu"].where() is None, reason="no CMU clips on this machine: apt install assimp-testmodels"
)
def test_two_recordings_of_a_person() -> None:
    motions = MOTIONS["cmu"].load()
    assert {name: len(motion.times_s) for name, motion in motions.items()} == {"01_01": 2751, "01_03": 4510}
    for motion in motions.values():
        positions_m = recorded(motion).positions_m
        bones = np.linalg.norm(positions_m[:, 1:] - positions_m[:, list(PARENTS[1:])], axis=-1)
        rigid = [i for i, joint in enumerate(JOINTS[1:]) if joint.endswith(("knee", "ankle", "elbow", "wrist"))]
        assert np.ptp(bones[:, rigid], axis=0).max() < ROUNDING
        assert bones[0, JOINTS.index("right_knee") - 1] == pytest.approx(0.42, abs=0.01)
        assert positions_m[..., 2].min() > -0.05


def test_offline_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    if SOURCES["cmu"].where() is not None:
        pytest.skip("the package is installed")
    with pytest.raises(MissingDependencyError, match=r"01_01\.bvh, 01_03\.bvh .*`apt install assimp-testmodels`"):
        SOURCES["cmu"].load()
