"""Half a second of a person's motion, seen by four cameras with noise, under the laws of mechanics."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.physics.kinematics import landmarks
from rmobench.registry import task
from rmobench.tasks.pose.cameras import human36m_like, project
from rmobench.tasks.pose.clips import soles, window_of
from rmobench.tasks.pose.fitting import Truth, fit_problem, perturbed
from rmobench.tasks.pose.metrics import mpjpe_2d
from rmobench.tasks.pose.terms import keypoints_cost
from rmobench.tasks.streams import stream
from rmobench.types import Budget, Problem, Target


@task(
    family="pose",
    source="Gärtner, Andriluka, Coumans, Sminchisescu 2022, DiffPhy, CVPR, arXiv 2205.12256; windows, cameras, weights "
    "and targets are ours",
    offers=("deterministic",),
    target=Target(metric="mpjpe_g", rungs=(100.0, 60.0, 45.0, 30.0, 20.0), headline=30.0),
    budget=Budget(n_calls=150, time_s=600.0),
    cheap=False,
    requires=("mujoco",),
    data=True,
    brought={"h36m": {"data": "h36m", "clip": "S9/Walking 1"}},
)
def pose_window_2d(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "deepmimic",
    clip: str = "walk",
    start_s: float = 0.2,
    noise_px: float = 5.0,
    softness_m: float = 0.0025,
) -> Problem:
    """Fit controls and start of a simulated adult to 17 joints in the pictures of four calibrated cameras.

    As `pose_window`, but that the loss sees the pictures only; judged are the joints in space. Metrics say the mean
    distance in the pictures, too (mpjpe_2d, px), from where the joints are without noise.

    Args:
        seed: Draws the noise, and the start about the kinematic estimate.
        device: Where the parameters live.
        dtype: Storage precision of the parameters; the simulation is never narrower than float32.
        data: "deepmimic", "cmu" or "h36m".
        clip: A name there.
        start_s: Where the window begins in the clip, s.
        noise_px: Standard deviation of a keypoint along each axis of a picture.
        softness_m: Depth over which the ground's force sets in, m.

    Raises:
        UnknownNameError: No such data, or no such clip.
        ArgumentError: A window that the clip does not have, noise below 0, or ground that is not soft at all.
        MissingDependencyError: The data are not on this machine, or mujoco is not installed.
    """
    if not noise_px >= 0.0:
        raise ArgumentError(f"pose_window_2d: got noise_px={noise_px}, expected a number of at least 0.")
    window = window_of("pose_window_2d", data, clip, start_s=start_s, softness_m=softness_m)
    joints = landmarks(window.body, window.qpos)
    x, y, _ = joints[:, 0].mean(0).tolist()
    cameras = human36m_like((x, y))
    clean = project(cameras, joints)
    drawn = torch.randn(clean.shape, generator=stream(seed, "data"), dtype=torch.float64)

    def in_pictures(fitted: Tensor) -> Mapping[str, float]:
        return {"mpjpe_2d": mpjpe_2d(project(cameras, fitted), clean).mean().item()}

    return fit_problem(
        window,
        perturbed(window, stream(seed, "init")),
        keypoints_cost(clean + noise_px * drawn, cameras),
        Truth(joints=joints, feet=soles(window.body), every=in_pictures),
        device=device,
        dtype=dtype,
    )
