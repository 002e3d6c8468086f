"""Which motion a problem is made of: clips of a data source, retargeted onto our body, cut into windows."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmobench.data import MOTIONS, SOURCES
from rmobench.data.deepmimic import clip as deepmimic_clip
from rmobench.data.h36m import SUBJECTS, h36m
from rmobench.data.motion import resampled
from rmobench.data.recording import Recording, recorded
from rmobench.errors import ArgumentError, UnknownNameError
from rmobench.physics.body import Body
from rmobench.physics.configuration import difference
from rmobench.physics.contact import Ground
from rmobench.physics.humanoid import humanoid
from rmobench.tasks.pose.retarget import Retargeted, retarget
from rmobench.tasks.pose.window import RATE_HZ, Window

N_STEPS = 15
"""Control steps of a window: half a second."""

SOLE = ("heel", "inner_ball", "outer_ball", "toe")
"""How the names of the feelers on the soles end."""


@cache
def adult() -> Body:
    """Return the body that all problems are about, in float64.

    Raises:
        MissingDependencyError: mujoco, which reads it, is not installed.
    """
    return humanoid()


@cache
def moving(data: str, clip: str) -> Retargeted:
    """Return a clip on our body, at RATE_HZ; from memory from the second time on.

    Args:
        data: "deepmimic", "cmu" or "h36m".
        clip: Its name there, e.g. "walk", "01_01", "S9/Walking 1".

    Raises:
        UnknownNameError: There is no such source of motion, or no such clip in it.
        MissingDependencyError: The data are not on this machine, or mujoco is not installed.
        DataError: The data are not the expected ones.
    """
    return retarget(adult(), torch.tensor(_positions_m(data, clip)))


def _positions_m(data: str, clip: str) -> NDArray[np.float64]:
    """Return the recorded joints [frames, 17, 3] at RATE_HZ."""
    if data == "h36m":
        return _at_rate(_of_h36m(clip))
    if data not in MOTIONS:
        raise UnknownNameError("source of motion", data, [name for name in SOURCES if name in (*MOTIONS, "h36m")])
    motions = {clip: deepmimic_clip(clip)} if data == "deepmimic" else MOTIONS[data].load()
    if clip not in motions:
        raise UnknownNameError("clip", clip, motions)
    return recorded(resampled(motions[clip], rate_hz=RATE_HZ)).positions_m


def _of_h36m(clip: str) -> Recording:
    subject, _, action = clip.partition("/")
    if not action:
        raise ArgumentError(
            f"h36m: got the clip {clip!r}, expected SUBJECT/ACTION, e.g. 'S9/Walking 1', with a subject of "
            f"{', '.join(SUBJECTS)}."
        )
    return h36m(subjects=[subject], actions=[action])[clip]


def _at_rate(recording: Recording) -> NDArray[np.float64]:
    """Interpolate linearly, from the first frame until a step would pass the last one."""
    n_steps = int(np.floor(recording.times_s[-1] * RATE_HZ + 1e-6))
    times_s = np.minimum(np.arange(n_steps + 1) / RATE_HZ, recording.times_s[-1])
    flat = recording.positions_m.reshape(len(recording.times_s), -1)
    columns = [np.interp(times_s, recording.times_s, x) for x in flat.T]
    return np.stack(columns, axis=1).reshape(len(times_s), -1, 3)


def soles(body: Body) -> tuple[int, ...]:
    """Return the numbers of the feelers on the soles."""
    return tuple(i for i, name in enumerate(body.feelers) if name.endswith(SOLE))


def ground(softness_m: float) -> Ground:
    """Return the ground, its force setting in over this depth (m).

    Raises:
        ArgumentError: The depth is not above 0.
    """
    return Ground(smoothing=softness_m)


def window_of(task: str, data: str, clip: str, *, start_s: float, softness_m: float) -> Window:
    """Return half a second of a clip as a problem.

    Args:
        task: Its name, for the messages.
        data: See `moving`.
        clip: See `moving`.
        start_s: Where the window begins (s), to the nearest frame.
        softness_m: See `ground`.

    Raises:
        ArgumentError: The clip is too short, or softness_m is not above 0.
    """
    qpos = moving(data, clip).qpos
    latest_s = (len(qpos) - 1 - N_STEPS) / RATE_HZ
    first = round(start_s * RATE_HZ)
    if not 0 <= first <= len(qpos) - 1 - N_STEPS:
        raise ArgumentError(
            f"{task}: got start_s={start_s} for {clip}, expected 0 to {latest_s:.2f} s, so that half a second follows."
        )
    return windows(qpos, (first,), softness_m=softness_m, many=False)


def windows(
    qpos: Tensor, firsts: tuple[int, ...], *, softness_m: float, n_steps: int = N_STEPS, many: bool = True
) -> Window:
    """Return windows of a motion that begin at these frames.

    Args:
        qpos: Of our body [frames, nq].
        firsts: Frames.
        softness_m: See `ground`.
        n_steps: Control steps of a window.
        many: Keep the axis of windows, though there be one.
    """
    body = adult()
    cut = torch.stack([qpos[first : first + n_steps + 1] for first in firsts])
    before = torch.stack([qpos[max(0, first - 1)] for first in firsts])
    n_frames = torch.tensor([2.0 if first else 1.0 for first in firsts], dtype=qpos.dtype)
    qvel = RATE_HZ / n_frames.unsqueeze(-1) * difference(body, before, cut[:, 1])
    if not many:
        cut, qvel = cut[0], qvel[0]
    return Window(body=body, ground=ground(softness_m), qpos=cut, qvel=qvel)
