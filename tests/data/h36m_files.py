"""Write small files in the layouts in which Human3.6M is published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
ACTIONS = ("Directions", "Directions 1", "Walking")
FLOAT, DOUBLE = 44, 45  # numbers of the types in a CDF


def poses_m(seed: int, n_frames: int = 6) -> np.ndarray:
    """Positions in m of 32 joints, in single precision: noise about a column as tall as a sitting person."""
    random = np.random.default_rng(seed)
    poses = random.normal(scale=0.05, size=(n_frames, 32, 3))
    poses[:, :, 2] += np.linspace(0.5, 1.5, 32)
    return poses.astype(np.float32)


def subject_poses() -> dict[str, dict[str, np.ndarray]]:
    """All subjects' actions, as data_3d_h36m.npz holds them."""
    numbered = [(subject, action) for subject in SUBJECTS for action in ACTIONS]
    return {subject: {action: poses_m(numbered.index((subject, action))) for action in ACTIONS} for subject in SUBJECTS}


def write_cdf(path: Path, array: np.ndarray, *, variable: str = "Pose") -> None:
    """Write a CDF of one variable; its first axis is that of the records."""
    cdfwrite = pytest.importorskip("cdflib.cdfwrite", reason="needs the package cdflib")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    file = cdfwrite.CDF(path)
    spec = {
        "Variable": variable,
        "Data_Type": {"float32": FLOAT, "float64": DOUBLE, "int32": 4}[array.dtype.name],
        "Num_Elements": 1,
        "Rec_Vary": True,
        "Dim_Sizes": list(array.shape[1:]),
    }
    file.write_var(spec, var_data=array)
    file.close()


def write_folder(folder: Path, people: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write the published layout: mm, 96 numbers a frame."""
    for subject, actions in people.items():
        for action, poses in actions.items():
            path = folder / subject / "MyPoseFeatures" / "D3_Positions" / f"{action}.cdf"
            write_cdf(path, 1000 * poses.reshape(len(poses), -1))


def write_archive(path: Path, **held: object) -> None:
    """Write numpy's archive of dictionaries, packed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **held)
