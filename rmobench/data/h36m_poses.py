"""The poses of Human3.6M: checked, in m, and of its 32 joints those seventeen that move on their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmobench.data.recording import JOINTS
from rmobench.errors import DataError

N_PUBLISHED = 32
"""Joints in the published files; fifteen of them stay at, or move with, another."""

MOVING = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Numbers of the seventeen."""

HIP_TO_HEAD_M = (0.3, 1.2)
"""Between these the distance from pelvis to head has its median, for any adult in any pose."""


def moving_joints(source: str, poses: object, *, unit_m: float) -> NDArray[np.float64]:
    """Return the positions in m [frames, 17, 3] out of published ones [frames, 32, 3].

    Args:
        source: Names the file, and the part of it, in the messages.
        poses: As the file holds them.
        unit_m: Length of the file's unit, in m.

    Raises:
        DataError: They are no finite floats of that shape, or no person in that unit.
    """
    found = checked(source, poses, n_joints=N_PUBLISHED, n_axes=3)
    positions_m = unit_m * found[:, MOVING].astype(np.float64)
    height_m = float(np.median(np.linalg.norm(positions_m[:, JOINTS.index("head")] - positions_m[:, 0], axis=-1)))
    low, high = HIP_TO_HEAD_M
    if not low <= height_m <= high:
        raise DataError(
            f"{source}: the head is {height_m:.3g} m from the pelvis, expected {low} to {high} m: its unit is not "
            f"{unit_m} m, or its joints are others. Put the published file there."
        )
    return positions_m


def checked(source: str, poses: object, *, n_joints: int, n_axes: int) -> NDArray[np.floating]:
    """Return an array [frames, joints, axes] if it is one of finite floats.

    Raises:
        DataError: It is not.
    """
    expected = f"expected floats [frames, {n_joints}, {n_axes}]"
    if not isinstance(poses, np.ndarray):
        raise DataError(f"{source}: got a {type(poses).__name__}, {expected}. Put the published file there.")
    if poses.dtype.kind != "f":
        raise DataError(f"{source}: got an array of {poses.dtype}, {expected}. Put the published file there.")
    if poses.ndim != 3 or poses.shape[1:] != (n_joints, n_axes):
        raise DataError(f"{source}: got shape {list(poses.shape)}, {expected}. Put the published file there.")
    if len(poses) == 0:
        raise DataError(f"{source}: holds no frames. Get the published file again.")
    wrong = np.flatnonzero(~np.isfinite(poses).all(axis=(1, 2)))
    if len(wrong):
        raise DataError(
            f"{source}: frame {wrong[0]} of {len(poses)} is not finite, and {len(wrong) - 1} more. "
            "Get the published file again."
        )
    return poses
