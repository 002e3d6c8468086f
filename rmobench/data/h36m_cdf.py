"""Human3.6M as published: a folder for each subject, a file of NASA's common data format for each action."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmobench.data.h36m_poses import N_PUBLISHED, moving_joints
from rmobench.errors import DataError, MissingDependencyError

INSIDE = Path("MyPoseFeatures") / "D3_Positions"
"""The folder of the 3D positions inside a subject's."""

VARIABLE = "Pose"

NAMES = (("TakingPhoto", "Photo"), ("WalkingDog", "WalkDog"))
"""What one subject's files call an action, and all others'."""


def has_subjects(folder: Path) -> bool:
    """Return whether a folder holds at least one subject's positions."""
    return any(folder.glob(f"S*/{INSIDE.as_posix()}"))


def actions(folder: Path, subject: str) -> dict[str, Path]:
    """Return the files of a subject by action, e.g. "Directions 1".

    Raises:
        DataError: The subject's folder is missing or has no files.
    """
    place = folder / subject / INSIDE
    files = sorted(place.glob("*.cdf"), key=lambda file: file.stem)
    if not files:
        what = "holds no .cdf files" if place.is_dir() else "is no folder"
        raise DataError(
            f"{place}: {what}, expected the 3D positions of {subject}. Unpack the published archive "
            f"Poses_D3_Positions_{subject}.tgz into {folder}."
        )
    return {_canonical(file.stem): file for file in files}


def read_action(path: Path) -> tuple[NDArray[np.float64], str]:
    """Return the positions in m [frames, 17, 3] in a file, and its sha256.

    Raises:
        MissingDependencyError: The reader of the format is not installed.
        DataError: It is damaged or of another layout.
    """
    content = path.read_bytes()
    poses = _variable(path)
    if isinstance(poses, np.ndarray) and poses.ndim == 3 and len(poses) == 1:
        poses = poses[0]  # some of the published files have an axis of one record
    if isinstance(poses, np.ndarray) and poses.ndim == 2 and poses.shape[1] == 3 * N_PUBLISHED:
        poses = poses.reshape(-1, N_PUBLISHED, 3)
    return moving_joints(str(path), poses, unit_m=1e-3), hashlib.sha256(content).hexdigest()


def _variable(path: Path) -> Any:
    """Return what a file holds as Pose."""
    try:
        import cdflib
    except ImportError:
        raise MissingDependencyError(
            f"{path}: reading it needs the package cdflib, which is not installed: pip install 'rmobench[pose]'."
        ) from None
    try:
        file = cdflib.CDF(path)
        held = file.cdf_info().zVariables + file.cdf_info().rVariables
        if VARIABLE in held:
            return file.varget(VARIABLE)
    # the reader raises nearly anything at a damaged file
    except Exception as error:
        raise DataError(
            f"{path}: {type(error).__name__}: {error}. It is no CDF file or is truncated; get the published file again."
        ) from None
    raise DataError(f"{path}: holds {', '.join(held) or 'nothing'}, expected {VARIABLE}. Put the published file there.")


def _canonical(action: str) -> str:
    for once, always in NAMES:
        action = action.replace(once, always)
    return action
