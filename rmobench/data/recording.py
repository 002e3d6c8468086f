"""The positions of a person's joints over time, in the seventeen joints of Human3.6M."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmobench.data.motion import Motion, joint_positions
from rmobench.data.provenance import Provenance

JOINTS = (
    *("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("spine", "thorax", "neck", "head"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
)
"""Names in order: 17 of Human3.6M's 32 joints, those that move on their own."""

PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
"""Numbers of the joints that these are attached to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """Where the seventeen joints are, frame by frame; z is up."""

    name: str
    times_s: NDArray[np.float64]  # [frames], from 0, increasing
    positions_m: NDArray[np.float64]  # [frames, 17, 3]
    provenance: Provenance

    def __post_init__(self) -> None:
        for array in (self.times_s, self.positions_m):
            array.flags.writeable = False


def recorded(motion: Motion) -> Recording:
    """Return where a motion carries the seventeen joints: each the mean of its sites on the skeleton."""
    places = joint_positions(motion)
    number = {name: i for i, name in enumerate(motion.skeleton.names)}
    means = [places[:, [number[name] for name in site]].mean(axis=1) for site in motion.skeleton.sites]
    return Recording(
        name=motion.name,
        times_s=motion.times_s,
        positions_m=np.stack(means, axis=1),
        provenance=motion.provenance,
    )
