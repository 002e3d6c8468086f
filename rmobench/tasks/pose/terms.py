"""What a fit is to be small in, each term with its weight and the unit that the weight has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.physics.configuration import limit_excess
from rmobench.tasks.pose.cameras import Cameras, project
from rmobench.tasks.pose.window import RATE_HZ, Simulated, Variables, Window

ALLOWED_M = 0.005
"""A standing adult sinks in by 3 mm; no more than this counts."""

NEAR_M = 0.01
"""A point of this height counts half as being in contact."""

SOFT_M = 0.003
"""Height over which that sets in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each term counts.

    The loss has no unit: 1 is a mean square error of the joints of (0.1 m)^2, or of about (22 px)^2, as which a camera
    5 m away sees that.

    Args:
        joints: Of the mean squared distance of joints from where they are seen (1/m^2).
        keypoints: Of the mean squared distance in the pictures (1/px^2).
        torques: Of the mean squared change of a torque from a control step to the next (1/(N m)^2).
        limits: Of the squared excess over the joints' ranges, summed over joints, mean over frames (1/rad^2).
        sinking: Of the squared depth beyond ALLOWED_M, summed over points, mean over frames (1/m^2).
        sliding: Of the squared velocity along the ground of points in contact, likewise (s^2/m^2).
        start: Of the mean square of the variables of the start, which are measured in their units.
    """

    joints: float = 100.0
    keypoints: float = 2e-3
    torques: float = 1e-6
    limits: float = 1.0
    sinking: float = 500.0
    sliding: float = 1e-3
    start: float = 1e-4


DEFAULT = Weights()


Cost = Callable[[Variables, Simulated], Tensor]
"""The loss [...] of variables and what came of them."""

CostOf = Callable[[Window], Cost]
"""The same, for the window in some precision on some device."""


def joints_cost(seen: Tensor, weights: Weights = DEFAULT) -> CostOf:
    """Return the loss of fits to joints in space.

    Args:
        seen: Where the joints are (m) [..., t + 1, k, 3].
        weights: Of the terms.
    """

    def cost_of(window: Window) -> Cost:
        here = seen.to(window.qpos)

        def cost(variables: Variables, done: Simulated) -> Tensor:
            off = weights.joints * (done.joints - here).square().sum(-1).mean((-2, -1))
            return off + total(plausibility(window, variables, done, weights=weights))

        return cost

    return cost_of


def keypoints_cost(seen: Tensor, cameras: Cameras, weights: Weights = DEFAULT) -> CostOf:
    """Return the loss of fits to joints in the pictures of some cameras.

    Args:
        seen: Where the joints are in the pictures (px) [cameras, ..., t + 1, k, 2].
        cameras: That see them.
        weights: Of the terms.
    """

    def cost_of(window: Window) -> Cost:
        here, looking = seen.to(window.qpos), cameras.to(window.qpos)

        def cost(variables: Variables, done: Simulated) -> Tensor:
            off = (project(looking, done.joints) - here).square().sum(-1).mean((-2, -1)).mean(0)
            return weights.keypoints * off + total(plausibility(window, variables, done, weights=weights))

        return cost

    return cost_of


def plausibility(window: Window, variables: Variables, done: Simulated, *, weights: Weights) -> dict[str, Tensor]:
    """Return the weighted terms that ask nothing of an observation [...], by name."""
    found = {
        "torques": weights.torques * done.torques.diff(dim=-2).square().mean((-2, -1)),
        "limits": weights.limits * limit_excess(window.body, done.qpos).square().sum(-1).mean(-1),
        "start": weights.start * torch.cat([variables.pose, variables.velocity], dim=-1).square().mean(-1),
    }
    if window.ground is not None:
        height = done.feelers[..., 2]
        depth = (-height - ALLOWED_M).relu()
        touching = torch.sigmoid((NEAR_M - torch.maximum(height[..., 1:, :], height[..., :-1, :])) / SOFT_M)
        speed2 = (RATE_HZ * done.feelers[..., :2].diff(dim=-3)).square().sum(-1)
        found["sinking"] = weights.sinking * depth.square().sum(-1).mean(-1)
        found["sliding"] = weights.sliding * (touching * speed2).sum(-1).mean(-1)
    return found


def total(found: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the terms [...]."""
    return torch.stack([*found.values()]).sum(0)
