"""Motion capture in Biovision's hierarchical format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from rmobench.data.motion import IDENTITY, Z_UP, Motion, Skeleton, as_wxyz, from_wxyz
from rmobench.data.provenance import Provenance
from rmobench.errors import DataError

POSITION, ROTATION = "position", "rotation"
CHANNELS = frozenset(axis + kind for axis in "XYZ" for kind in (POSITION, ROTATION))


@dataclass(slots=True, kw_only=True)
class _Joint:
    """A joint while it is being read."""

    name: str
    parent: int
    offset: tuple[float, ...] = ()
    channels: list[str] = field(default_factory=list)  # e.g. "Xposition", "Zrotation", in the order of a frame


def read_bvh(
    path: Path, content: bytes, *, unit_m: float, sites: tuple[tuple[str, ...], ...], provenance: Provenance
) -> Motion:
    """Return the motion in a file, turned from y up to z up; the end of a chain is named after its joint, `Head_end`.

    A joint's rotations follow one another about its turned axes, in the order of its channels.
    Source: Meredith, Maddock 2001, Motion capture file formats explained, University of Sheffield, CS-01-11.

    Args:
        path: Where the content comes from; its stem is the motion's name.
        content: Of the file.
        unit_m: Length of the file's unit, in m.
        sites: For each of Human3.6M's joints, those of this skeleton in whose mean it lies.
        provenance: Of the file.

    Raises:
        DataError: It is damaged, or has positions elsewhere than at the root.
    """
    try:
        head, mark, tail = content.decode("ascii").partition("MOTION")
        if not mark:
            raise ValueError("there is no MOTION")
        joints = _hierarchy(iter(head.split()))
        step_s, frames = _frames(tail.split(), n_columns=sum(len(joint.channels) for joint in joints))
        root_m, rotations = _poses(joints, frames)
    # a number or an axis that does not parse, a list that ends too early, or what the functions below found
    except (ValueError, StopIteration) as error:
        raise DataError(f"{path}: {str(error) or 'ends inside the hierarchy'}. Get the published file again.") from None
    return Motion(
        name=path.stem,
        skeleton=Skeleton(
            names=tuple(joint.name for joint in joints),
            parents=tuple(joint.parent for joint in joints),
            offsets_m=unit_m * np.array([joint.offset for joint in joints]),
            sites=sites,
        ),
        times_s=step_s * np.arange(len(frames), dtype=np.float64),
        root_m=Z_UP.apply(unit_m * root_m),
        rotations=rotations,
        provenance=provenance,
    )


def _hierarchy(words: Iterator[str]) -> list[_Joint]:
    """Read the tree; the words are those before MOTION."""
    joints: list[_Joint] = []
    above: list[int] = []  # from the root to the joint whose braces are open
    if (first := next(words)) != "HIERARCHY":
        raise ValueError(f"begins with {first[:20]!r}, expected HIERARCHY")
    for word in words:
        match word:
            case "ROOT" | "JOINT" | "End":
                name = next(words)
                parent = above[-1] if above else -1
                joints.append(_Joint(name=f"{joints[parent].name}_end" if word == "End" else name, parent=parent))
            case "{":
                above.append(len(joints) - 1)
            case "}":
                above.pop()
            case "OFFSET":
                joints[-1].offset = tuple(float(next(words)) for _ in "xyz")
            case "CHANNELS":
                joints[-1].channels = [next(words) for _ in range(int(next(words)))]
                if not CHANNELS.issuperset(joints[-1].channels):
                    raise ValueError(f"got the channels {joints[-1].channels}, expected Xposition, ..., Zrotation")
            case _:
                raise ValueError(f"got {word[:20]!r} in the hierarchy, expected a joint, OFFSET, CHANNELS or a brace")
    if above or any(not joint.offset for joint in joints):
        raise ValueError("ends inside the hierarchy")
    if any(channel.endswith(POSITION) for joint in joints[1:] for channel in joint.channels):
        raise ValueError("has positions elsewhere than at the root, expected rotations alone there")
    return joints


def _frames(words: list[str], *, n_columns: int) -> tuple[float, NDArray[np.float64]]:
    """Read the time step in s and the frames [frames, columns]; the words are those after MOTION."""
    match words:
        case ["Frames:", n_frames, "Frame", "Time:", step_s, *numbers]:
            if int(n_frames) < 1 or len(numbers) != int(n_frames) * n_columns:
                raise ValueError(f"holds {len(numbers)} numbers, expected {n_frames} frames of {n_columns}")
            frames = np.array(numbers, dtype=np.float64).reshape(-1, n_columns)
            if not np.isfinite(frames).all():
                raise ValueError("holds a number that is not finite")
            return float(step_s), frames
    raise ValueError(f"got {' '.join(words[:5])!r} after MOTION, expected Frames: and Frame Time:")


def _poses(joints: list[_Joint], frames: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the root's positions [frames, 3], as in the file, and the rotations [frames, joints, 4], z up."""
    root = np.tile(np.array(joints[0].offset), (len(frames), 1))
    rotations = np.tile(IDENTITY, (len(frames), len(joints), 1))
    column = 0
    for number, joint in enumerate(joints):
        here = frames[:, column : column + len(joint.channels)]
        turning = [channel.endswith(ROTATION) for channel in joint.channels]
        if any(turning):
            axes = "".join(channel[0].upper() for channel in joint.channels if channel.endswith(ROTATION))
            rotations[:, number] = as_wxyz(Rotation.from_euler(axes, here[:, turning], degrees=True))
        for channel, values in zip(joint.channels, here.T, strict=True):
            if channel.endswith(POSITION):
                root[:, "XYZ".index(channel[0])] += values
        column += len(joint.channels)
    rotations[:, 0] = as_wxyz(Z_UP * from_wxyz(rotations[:, 0]))
    return root, rotations
