"""DeepMimic's clips: the layout of a frame, and fifteen motions of a person on the ground."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rmobench.data import MOTIONS, SOURCES
from rmobench.data.deepmimic import COLUMNS, FILES, HELD_OUT, IN_DOMAIN, clip, read_clip
from rmobench.data.motion import Motion, Skeleton, joint_positions
from rmobench.data.provenance import Provenance
from rmobench.data.recording import JOINTS, PARENTS, recorded
from rmobench.errors import DataError, MissingDependencyError, UnknownNameError

ROUNDING = 1e-12
GROUND_M = 0.02  # a sole on the ground is found this close to it: the clips were fitted to another skeleton

PRESENT = pytest.mark.skipif(
    SOURCES["deepmimic"].where() is None, reason="no clips on this machine: `rmobench data fetch deepmimic`"
)


def column(motion: Motion, *names: str) -> np.ndarray:
    """Places of named joints; [frames, joints, 3]."""
    return joint_positions(motion)[:, [motion.skeleton.names.index(name) for name in names]]


def test_where_a_frame_holds_what() -> None:
    """44 numbers: each joint's rotation where the format says; y up becomes z up."""
    frame = np.zeros((2, 44))
    frame[:, 0] = 0.5, 0.0
    frame[1, 1:4] = 1.0, 2.0, 3.0
    for columns in COLUMNS.values():
        if columns.stop - columns.start == 4:
            frame[:, columns.start] = 1.0
    frame[1, COLUMNS["neck"]] = 0.0, 0.0, 2.0, 0.0
    frame[1, COLUMNS["left_knee"]] = -np.pi / 2
    skeleton = Skeleton(
        names=tuple(COLUMNS), parents=(-1,) + (0,) * 12, offsets_m=np.zeros((13, 3)), sites=(("root",),) * 17
    )
    content = json.dumps({"Loop": "wrap", "Frames": frame.tolist()}).encode()
    provenance = Provenance(name="made", package=None, version=None, file="made", sha256="", licence="CC0")
    motion = read_clip("made", content, skeleton=skeleton, provenance=provenance)
    half = np.sqrt(0.5)
    assert motion.times_s.tolist() == [0.0, 0.5]
    np.testing.assert_allclose(motion.root_m, [[0.0, 0.0, 0.0], [1.0, -3.0, 2.0]], atol=ROUNDING)
    expected = {"root": (half, half, 0, 0), "neck": (0, 0, 1, 0), "left_knee": (half, 0, 0, -half)}
    for number, joint in enumerate(COLUMNS):
        np.testing.assert_allclose(motion.rotations[1, number], expected.get(joint, (1, 0, 0, 0)), atol=ROUNDING)


def test_the_columns_are_the_whole_frame() -> None:
    taken = [number for columns in COLUMNS.values() for number in range(columns.start, columns.stop)]
    assert taken == list(range(4, 44))


def test_held_out_clips_are_apart() -> None:
    assert sorted((*IN_DOMAIN, *HELD_OUT)) == sorted(FILES)
    assert not set(IN_DOMAIN) & set(HELD_OUT)
    assert len(FILES) == 15


@PRESENT
def test_half_a_minute_of_fifteen_clips() -> None:
    motions = MOTIONS["deepmimic"].load()
    assert sum(motion.duration_s for motion in motions.values()) == pytest.approx(33.565, abs=1e-3)
    for name, motion in motions.items():
        n_frames = len(motion.times_s)
        assert motion.name == name
        assert motion.root_m.shape == (n_frames, 3)
        assert motion.rotations.shape == (n_frames, len(motion.skeleton.names), 4)
        assert (np.diff(motion.times_s) > 0).all()
        np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1.0, atol=ROUNDING)


@PRESENT
def test_bones_are_rigid_and_equal_on_both_sides() -> None:
    """Lengths of DeepMimic's character file humanoid3d.txt, in m."""
    lengths = {"right_knee": 0.421546, "right_ankle": 0.409870, "right_elbow": 0.274788, "right_wrist": 0.258947}
    lengths |= {name.replace("right", "left"): length for name, length in lengths.items()}
    lengths |= {"spine": 0.236151, "thorax": 0.223894}
    for motion in MOTIONS["deepmimic"].load().values():
        positions_m = recorded(motion).positions_m
        for joint, length in lengths.items():
            number = JOINTS.index(joint)
            bones = np.linalg.norm(positions_m[:, number] - positions_m[:, PARENTS[number]], axis=-1)
            np.testing.assert_allclose(bones, length, atol=1e-9)  # as many digits as are published


@PRESENT
def test_a_walk_keeps_a_sole_on_the_ground_and_goes_ahead() -> None:
    walk = clip("walk")
    soles = column(walk, "left_heel", "left_toe", "right_heel", "right_toe")[..., 2]
    assert np.abs(soles.min(axis=1)).max() < GROUND_M
    assert walk.root_m[-1, 0] - walk.root_m[0, 0] == pytest.approx(1.24, abs=0.01)


@PRESENT
@pytest.mark.parametrize("name", ["walk", "run", "punch", "kick"])
def test_a_person_bends_knees_and_elbows_the_right_way(name: str) -> None:
    """The knee lies before the line from hip to ankle, the elbow behind that from shoulder to wrist."""
    motion = clip(name)
    shoulders, hips = column(motion, "left_shoulder", "right_shoulder"), column(motion, "left_hip", "right_hip")
    left = (shoulders[:, 0] - shoulders[:, 1]) + (hips[:, 0] - hips[:, 1])
    ahead = np.cross(left, [0.0, 0.0, 1.0])
    for side in ("left", "right"):
        for middle, ends, sign in (("knee", ("hip", "ankle"), 1.0), ("elbow", ("shoulder", "wrist"), -1.0)):
            a, b, c = column(motion, *(f"{side}_{joint}" for joint in (ends[0], middle, ends[1]))).swapaxes(0, 1)
            before = ((b - (a + c) / 2) * ahead).sum(axis=-1)
            assert sign * before.mean() > 0, (side, middle)


@PRESENT
def test_where_a_clip_comes_from() -> None:
    provenance = clip("walk").provenance
    assert (provenance.name, provenance.sha256) == ("deepmimic", FILES["walk"].sha256)
    assert provenance.licence.startswith("zlib")


def test_no_such_clip() -> None:
    with pytest.raises(UnknownNameError, match=r"no clip named 'wlak'\. Did you mean 'walk'"):
        clip("wlak")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, empty, on a machine with an empty cache and no package index."""
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    if SOURCES["deepmimic"].where() is not None:
        pytest.skip("pybullet is installed: its files are there in any case")
    return tmp_path


def test_offline_the_command_is_named(folder: Path) -> None:
    with pytest.raises(
        MissingDependencyError, match=r"`rmobench data fetch deepmimic` or .*pip install (--no-deps )?pybullet"
    ):
        clip("walk")
    with pytest.raises(MissingDependencyError, match=r"pip download --no-deps pybullet==3\.2\.7` failed: "):
        SOURCES["deepmimic"].fetch()


def test_another_file_is_refused(folder: Path) -> None:
    (folder / "humanoid.urdf").write_text("<robot/>")
    with pytest.raises(DataError, match=r"humanoid\.urdf: sha256 is [0-9a-f]{64}, expected 4a449f92"):
        clip("walk")
