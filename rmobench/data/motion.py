"""A skeleton in motion: the rotations of its joints over time, and where they carry the joints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from rmobench.data.provenance import Provenance
from rmobench.errors import ArgumentError

Z_UP = Rotation.from_euler("x", 90, degrees=True)
"""Turns a world whose y axis points up into one whose z axis does: (x, y, z) -> (x, -z, y)."""


IDENTITY = (1.0, 0.0, 0.0, 0.0)
"""The quaternion w x y z of a joint that is not turned."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Skeleton:
    """A tree of joints: the root first, every parent before its children. Leaves may be mere points of a body."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1: none
    offsets_m: NDArray[np.float64]  # [joints, 3] from the parent, along the parent's axes
    sites: tuple[tuple[str, ...], ...]  # for each of Human3.6M's 17 joints, the joints in whose mean it lies

    def __post_init__(self) -> None:
        self.offsets_m.flags.writeable = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """Where the root of a skeleton is and how its joints are turned, frame by frame; z is up, the ground is z = 0."""

    name: str
    skeleton: Skeleton
    times_s: NDArray[np.float64]  # [frames], from 0, increasing
    root_m: NDArray[np.float64]  # [frames, 3] position of the root
    rotations: NDArray[np.float64]  # [frames, joints, 4] unit quaternions w x y z, from joint to parent; root to world
    provenance: Provenance

    def __post_init__(self) -> None:
        for array in (self.times_s, self.root_m, self.rotations):
            array.flags.writeable = False

    @property
    def duration_s(self) -> float:
        """Time from the first frame to the last."""
        return float(self.times_s[-1])


def joint_positions(motion: Motion) -> NDArray[np.float64]:
    """Return where the joints are in the world, in m; [frames, joints, 3]."""
    skeleton = motion.skeleton
    turned: list[Rotation] = []  # from each joint's axes to the world's
    places: list[NDArray[np.float64]] = []
    for joint, parent in enumerate(skeleton.parents):
        rotation = from_wxyz(motion.rotations[:, joint])
        turned.append(rotation if parent < 0 else turned[parent] * rotation)
        offset = skeleton.offsets_m[joint].copy()  # scipy takes no read-only array
        places.append(motion.root_m if parent < 0 else places[parent] + turned[parent].apply(offset))
    return np.stack(places, axis=1)


def resampled(motion: Motion, *, rate_hz: float) -> Motion:
    """Return a motion at equal steps in time, from its first frame until a step would pass its last one.

    Positions are interpolated linearly, rotations along the shorter great arc.
    Source: Shoemake 1985, Animating rotation with quaternion curves, SIGGRAPH.

    Raises:
        ArgumentError: The rate is not positive, or the motion has one frame only.
    """
    if not rate_hz > 0 or len(motion.times_s) < 2:
        raise ArgumentError(
            f"resampled: got {rate_hz} Hz for {len(motion.times_s)} frames, expected a positive rate and two frames."
        )
    n_steps = int(np.floor(motion.duration_s * rate_hz + 1e-6))  # a last step that rounding puts past the end is kept
    times_s = np.minimum(np.arange(n_steps + 1) / rate_hz, motion.duration_s)
    root_m = [np.interp(times_s, motion.times_s, x) for x in motion.root_m.T]
    rotations = [as_wxyz(Slerp(motion.times_s, from_wxyz(q))(times_s)) for q in motion.rotations.swapaxes(0, 1)]
    return replace(motion, times_s=times_s, root_m=np.stack(root_m, axis=1), rotations=np.stack(rotations, axis=1))


def excerpt(motion: Motion, start: int, stop: int) -> Motion:
    """Return the frames from start to before stop; the time begins at 0 again.

    Raises:
        ArgumentError: There are no such frames.
    """
    n_frames = len(motion.times_s)
    if not 0 <= start < stop <= n_frames:
        raise ArgumentError(
            f"excerpt: got frames {start} to {stop} of {motion.name}, expected 0 <= start < stop <= {n_frames}."
        )
    return replace(
        motion,
        times_s=motion.times_s[start:stop] - motion.times_s[start],
        root_m=motion.root_m[start:stop].copy(),
        rotations=motion.rotations[start:stop].copy(),
    )


def as_wxyz(rotation: Rotation) -> NDArray[np.float64]:
    """Return unit quaternions, the real part first; [..., 4]."""
    return np.roll(rotation.as_quat(), 1, axis=-1)


def from_wxyz(quaternions: NDArray[np.float64]) -> Rotation:
    """Return the rotations of quaternions [n, 4], the real part first, of any length but 0."""
    return Rotation.from_quat(np.roll(quaternions, -1, axis=-1))
