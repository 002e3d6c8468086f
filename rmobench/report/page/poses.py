"""Motions to be shown: what was seen, and what was fitted to it, as stick figures. The file is in the room's README."""

from __future__ import annotations

from pathlib import Path

import msgspec

from rmobench.errors import InputError

Frames = tuple[tuple[tuple[float, float, float], ...], ...]
"""Joints in metres [frame, joint, 3]; the third coordinate points up."""


class Clip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One motion: the reference and the fits to it, joint by joint."""

    name: str
    fps: float
    bones: tuple[tuple[int, int], ...]  # pairs of joints
    reference: Frames
    fits: dict[str, Frames] = {}  # by optimizer


def read_clips(path: Path) -> tuple[Clip, ...]:
    """Read a JSON list of clips.

    Raises:
        InputError: It cannot be read, is no such list, or its parts do not fit each other.
    """
    try:
        clips = msgspec.json.decode(path.read_bytes(), type=tuple[Clip, ...])
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise InputError(
            f"{path}: {error}; expected a JSON list of clips, as rmobench/report/README.md says."
        ) from None
    for clip in clips:
        _check(clip, path)
    return clips


def _check(clip: Clip, path: Path) -> None:
    n_joints = {len(frame) for frames in (clip.reference, *clip.fits.values()) for frame in frames}
    n_frames = {len(frames) for frames in (clip.reference, *clip.fits.values())}
    if len(n_joints) != 1 or len(n_frames) != 1 or clip.fps <= 0.0:
        got = f"{sorted(n_frames)} frames and {sorted(n_joints)} joints at {clip.fps:g} fps"
        raise InputError(f"{path}: {clip.name} has {got}; expected one number of each, and fps above 0.")
    if not all(0 <= joint < min(n_joints) for bone in clip.bones for joint in bone):
        raise InputError(f"{path}: a bone of {clip.name} ends at a joint that is not there.")
