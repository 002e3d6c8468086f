"""Human3.6M from a folder of the user's: its licence forbids any copy, so there is none elsewhere."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmobench.data import h36m_cdf
from rmobench.data.h36m_poses import checked, moving_joints
from rmobench.data.npz import read_npz
from rmobench.data.provenance import Provenance
from rmobench.data.recording import JOINTS, Recording
from rmobench.data.source import Source
from rmobench.errors import DataError, MissingDependencyError, UnknownNameError

USER_H36M = "RMOBENCH_H36M"
"""Environment variable: the folder of Human3.6M, or its archive data_3d_h36m.npz."""

TRAIN = ("S1", "S5", "S6", "S7", "S8")
TEST = ("S9", "S11")
SUBJECTS = (*TRAIN, *TEST)

RATE_HZ = 50.0

CORRUPT = frozenset({("S11", "Directions")})
"""Recordings that are damaged as published."""

ARCHIVE = "data_3d_h36m.npz"

N_CAMERAS = 4

LICENCE = "academic use alone, no redistribution"

ADVICE = (
    f"Name your folder of it in {USER_H36M}, or by `rmobench run --data h36m=FOLDER`: that of the published "
    f"S1/{h36m_cdf.INSIDE.as_posix()}/*.cdf, ..., or that of {ARCHIVE}. Get it at vision.imar.ro/human3.6m."
)


def h36m(
    place: Path | None = None, *, subjects: Iterable[str] = SUBJECTS, actions: Collection[str] | None = None
) -> dict[str, Recording]:
    """Return the recordings of some people, by names such as "S9/Walking 1", at 50 Hz.

    The ground is near z = 0. What is known to be corrupt is left out.
    Source: Ionescu, Papava, Olaru, Sminchisescu 2014, Human3.6M, IEEE TPAMI 36(7); the archive's layout: Pavllo,
    Feichtenhofer, Grangier, Auli 2019, CVPR, arXiv 1811.11742.

    Args:
        place: The folder, or the archive in it; None: the one that RMOBENCH_H36M names.
        subjects: Whom.
        actions: Which, e.g. "Directions 1"; None: all that there are.

    Raises:
        UnknownNameError: There is no such subject.
        MissingDependencyError: No folder is named, or the reader of its files is not installed.
        DataError: The folder, a file or what it holds is not as published, or could run code; an action is missing.
    """
    found, people = located(place), [_known(subject) for subject in subjects]
    read = _from_archive if found.is_file() else _from_folder
    return {recording.name: recording for recording in read(found, people, actions)}


def keypoints(archive: Path, *, subject: str, action: str) -> tuple[NDArray[np.float64], ...]:
    """Return where the joints are in the pictures of each of the four cameras, in px; each [frames, 17, 2].

    Their frames may be more than those of the recording; the first ones belong together.

    Args:
        archive: E.g. data_2d_h36m_gt.npz; `positions_2d` holds a list of cameras for each action of each subject.
        subject: Whose.
        action: Which, e.g. "Directions 1".

    Raises:
        UnknownNameError: There is no such subject.
        DataError: The archive is not as published or could run code; the subject or the action is missing.
    """
    if not archive.is_file():
        raise DataError(f"{archive}: there is no such file, expected an archive data_2d_h36m_*.npz.")
    held = _of_subject(archive, _dictionary(archive, "positions_2d"), _known(subject))
    (name,) = _chosen(archive, subject, held, (action,))
    source, cameras = f"{archive}: {subject}, {name}", held[name]
    if not isinstance(cameras, list | tuple) or len(cameras) != N_CAMERAS:
        raise DataError(f"{source}: expected a list of {N_CAMERAS} cameras. Put the published file there.")
    return tuple(checked(source, camera, n_joints=len(JOINTS), n_axes=2).astype(np.float64) for camera in cameras)


def where() -> Path | None:
    """Return what RMOBENCH_H36M names, if it is laid out in one of the two ways; None: it names nothing."""
    try:
        return located(None)
    except (DataError, MissingDependencyError):
        return None


def located(place: Path | None) -> Path:
    """Return the folder of published files, or the archive.

    Args:
        place: Either, or the archive's folder; None: what RMOBENCH_H36M names.

    Raises:
        MissingDependencyError: Nothing is named.
        DataError: It is neither.
    """
    if place is None:
        if not (named := os.environ.get(USER_H36M)):
            raise MissingDependencyError(f"h36m: no folder is named. {ADVICE}")
        place = Path(named).expanduser()
    if place.is_file():
        return place
    if (archive := place / ARCHIVE).is_file():
        return archive
    if h36m_cdf.has_subjects(place):
        return place
    what = "holds no part of Human3.6M" if place.is_dir() else "there is no such folder"
    raise DataError(f"{place}: {what}. {ADVICE}")


def _from_folder(folder: Path, subjects: Iterable[str], wanted: Collection[str] | None) -> Iterator[Recording]:
    for subject in subjects:
        files = h36m_cdf.actions(folder, subject)
        for action in _chosen(folder / subject, subject, files, wanted):
            positions_m, sha256 = h36m_cdf.read_action(files[action])
            yield _recording(subject, action, positions_m, file=str(files[action].relative_to(folder)), sha256=sha256)


def _from_archive(archive: Path, subjects: Iterable[str], wanted: Collection[str] | None) -> Iterator[Recording]:
    everyone = _dictionary(archive, "positions_3d")
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    for subject in subjects:
        held = _of_subject(archive, everyone, subject)
        for action in _chosen(archive, subject, held, wanted):
            positions_m = moving_joints(f"{archive}: {subject}, {action}", held[action], unit_m=1.0)
            yield _recording(subject, action, positions_m, file=archive.name, sha256=sha256)


def _recording(subject: str, action: str, positions_m: NDArray[np.float64], *, file: str, sha256: str) -> Recording:
    return Recording(
        name=f"{subject}/{action}",
        times_s=np.arange(len(positions_m)) / RATE_HZ,
        positions_m=positions_m,
        provenance=Provenance(name="h36m", package=None, version=None, file=file, sha256=sha256, licence=LICENCE),
    )


def _known(subject: str) -> str:
    if subject not in SUBJECTS:
        raise UnknownNameError("subject", subject, SUBJECTS)
    return subject


def _dictionary(archive: Path, key: str) -> dict[Any, Any]:
    held = read_npz(archive, key)
    if not isinstance(held, dict) or not held:
        raise DataError(
            f"{archive}: {key} holds no subjects, expected a dictionary of them. Put the published file there."
        )
    return held


def _of_subject(archive: Path, subjects: dict[Any, Any], subject: str) -> dict[str, Any]:
    if not isinstance(actions := subjects.get(subject), dict) or not actions:
        there = ", ".join(map(str, subjects))
        raise DataError(f"{archive}: holds nothing of {subject}, only of {there}. Put the published file there.")
    return actions


def _chosen(source: Path, subject: str, held: Iterable[str], wanted: Collection[str] | None) -> list[str]:
    """Return the wanted actions, corrupt ones left out if all are wanted."""
    sound = [action for action in held if (subject, action) not in CORRUPT]
    for action in wanted or ():
        if (subject, action) in CORRUPT:
            raise DataError(
                f"{source}: {subject}, {action} is corrupt as published and is not read. Take another action."
            )
        if action not in sound:
            raise DataError(f"{source}: has no action {action!r} of {subject}, only {', '.join(map(str, sound))}.")
    return sound if wanted is None else list(wanted)


SOURCE = Source(
    summary="Human3.6M: seven people, 15 actions, twice each, 17 joints at 50 Hz",
    carrier=f"your folder that {USER_H36M} or `--data h36m=FOLDER` names",
    licence=LICENCE,
    where=where,
    fetch=lambda: located(None),
    load=h36m,
    variable=USER_H36M,
)
