"""Half a second of a person's motion, seen in space, under the laws of mechanics."""

from __future__ import annotations

import torch

from rmobench.physics.kinematics import landmarks
from rmobench.registry import task
from rmobench.tasks.pose.clips import soles, window_of
from rmobench.tasks.pose.fitting import Truth, fit_problem, perturbed
from rmobench.tasks.pose.terms import joints_cost
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem, Target


@task(
    family="pose",
    source="Gärtner, Andriluka, Coumans, Sminchisescu 2022, DiffPhy, CVPR, arXiv 2205.12256; windows, weights and "
    "targets are ours",
    offers=("deterministic",),
    target=Target(metric="mpjpe_g", rungs=(100.0, 60.0, 45.0, 30.0, 20.0), headline=30.0),
    budget=Budget(n_calls=150, time_s=600.0),
    cheap=False,
    requires=("mujoco",),
    data=True,
    brought={"h36m": {"data": "h36m", "clip": "S9/Walking 1"}},
)
def pose_window(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "deepmimic",
    clip: str = "walk",
    start_s: float = 0.2,
    softness_m: float = 0.0025,
) -> Problem:
    """Fit controls and start of a simulated adult to joints that were seen for half a second.

    Free are the targets of the joints' controllers in each of 15 control steps and a correction of the initial state,
    488 numbers of order 1 about a kinematic estimate. Seen are the 17 joints of Human3.6M, where the clip, retargeted,
    has them. Terms of the loss and their weights are in `terms.Weights`.

    Args:
        seed: Draws the start, about the estimate.
        device: Where the parameters live.
        dtype: Storage precision of the parameters; the simulation is never narrower than float32.
        data: "deepmimic", "cmu" or "h36m".
        clip: A name there: "walk", "01_01", "S9/Walking 1".
        start_s: Where the window begins in the clip, s.
        softness_m: Depth over which the ground's force sets in, m; softer ground has smoother derivatives and lets a
            body sink in deeper.

    Raises:
        UnknownNameError: No such data, or no such clip.
        ArgumentError: A window that the clip does not have, or ground that is not soft at all.
        MissingDependencyError: The data are not on this machine, or mujoco is not installed.
    """
    window = window_of("pose_window", data, clip, start_s=start_s, softness_m=softness_m)
    seen = landmarks(window.body, window.qpos)
    start = perturbed(window, stream(seed, "init"))
    truth = Truth(joints=seen, feet=soles(window.body))
    return fit_problem(window, start, joints_cost(seen), truth, device=device, dtype=dtype)
