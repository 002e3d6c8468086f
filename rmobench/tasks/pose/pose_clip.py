"""A whole clip as windows that overlap and have to agree where they do."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.physics.kinematics import landmarks
from rmobench.registry import task
from rmobench.tasks.pose.clips import N_STEPS, moving, soles, windows
from rmobench.tasks.pose.fitting import Truth, fit_problem, perturbed
from rmobench.tasks.pose.terms import DEFAULT, Cost, CostOf, joints_cost
from rmobench.tasks.pose.window import N_SUBSTEPS, Simulated, Variables, Window
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem, Target

OVERLAP = 3
"""Control steps that a window shares with the next one: four frames, which hold velocities as well as places."""

STRIDE = N_STEPS - OVERLAP


@task(
    family="pose",
    source="Gärtner, Andriluka, Coumans, Sminchisescu 2022, DiffPhy, CVPR, arXiv 2205.12256; windows, weights and "
    "targets are ours. Agreement of windows: Bock, Plitt 1984, IFAC Proceedings 17(2) (multiple shooting)",
    offers=("deterministic",),
    target=Target(metric="mpjpe_g", rungs=(100.0, 60.0, 45.0, 30.0, 20.0), headline=30.0),
    budget=Budget(n_calls=150, time_s=1200.0),
    cheap=False,
    requires=("mujoco",),
    data=True,
    brought={"h36m": {"data": "h36m", "clip": "S9/Walking 1"}},
)
def pose_clip(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "deepmimic",
    clip: str = "walk",
    n_windows: int = 2,
    softness_m: float = 0.0025,
) -> Problem:
    """Fit overlapping windows of half a second, one every 0.4 s, to joints in space, all of them at once.

    Each window has the variables of `pose_window`. Where it overlaps with the next one, the squared distance of their
    joints counts as much as that from where the joints are seen. Judged is the motion of the windows one after the
    other, each up to where the next one begins; what still jumps there shows in root_force.

    Args:
        seed: Draws the start, about the kinematic estimate.
        device: Where the parameters live.
        dtype: Storage precision of the parameters; the simulation is never narrower than float32.
        data: "deepmimic", "cmu" or "h36m".
        clip: A name there: "walk", "01_01", "S9/Walking 1".
        n_windows: From the beginning of the clip; 0: as many as the clip has.
        softness_m: Depth over which the ground's force sets in, m.

    Raises:
        UnknownNameError: No such data, or no such clip.
        ArgumentError: More windows than the clip has, or ground that is not soft at all.
        MissingDependencyError: The data are not on this machine, or mujoco is not installed.
    """
    qpos = moving(data, clip).qpos
    most = (len(qpos) - 1 - OVERLAP) // STRIDE
    if most < 1 or not 0 <= n_windows <= most:
        raise ArgumentError(
            f"pose_clip: got n_windows={n_windows} for {clip}, which has {most}, expected 0, for all, to {most}."
        )
    firsts = tuple(STRIDE * k for k in range(n_windows or most))
    window = windows(qpos, firsts, softness_m=softness_m)
    seen = landmarks(window.body, window.qpos)
    truth = Truth(
        joints=landmarks(window.body, qpos[: firsts[-1] + N_STEPS + 1]),
        feet=soles(window.body),
        joined=partial(joined, stride=STRIDE * N_SUBSTEPS),
    )
    start = perturbed(window, stream(seed, "init"))
    return fit_problem(window, start, agreeing(joints_cost(seen)), truth, device=device, dtype=dtype)


def joined(frames: Tensor, *, stride: int) -> Tensor:
    """Put the frames of windows after one another, each up to where the next begins.

    Args:
        frames: [windows, frames, n].
        stride: Frames from the beginning of a window to that of the next.

    Returns:
        [stride (windows - 1) + frames, n].
    """
    return torch.cat([frames[:-1, :stride].flatten(0, 1), frames[-1]])


def agreeing(of_windows: CostOf) -> CostOf:
    """Return the mean loss [] of windows [n], and the distance of their joints where they overlap."""

    def cost_of(window: Window) -> Cost:
        each = of_windows(window)

        def cost(variables: Variables, done: Simulated) -> Tensor:
            apart = done.joints[:-1, STRIDE:] - done.joints[1:, : OVERLAP + 1]
            mean: Tensor = each(variables, done).mean()
            if len(apart) == 0:
                return mean
            return mean + DEFAULT.joints * apart.square().sum(-1).mean()

        return cost

    return cost_of
