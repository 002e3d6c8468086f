"""A stretch of motion as a problem: what is seen, what is free, and what the laws of mechanics make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from rmobench.physics.body import Body
from rmobench.physics.configuration import difference, integrate
from rmobench.physics.contact import Ground
from rmobench.physics.kinematics import feelers, landmarks
from rmobench.physics.rollout import rollout

RATE_HZ = 30.0
"""Frames, and control steps, per second: that of DeepMimic's controllers."""

N_SUBSTEPS = 3
"""Steps of the engine in a control step: 1/90 s each. Finer ones move the joints by some 30 mm within half a second,
so that the step belongs to the problem."""

CONTROL_UNIT = 0.1
"""A control variable of 1 turns a joint's target by so much (rad)."""

POSE_UNIT = 0.05
"""A pose variable of 1 moves the start by so much (m, rad)."""

VELOCITY_UNIT = 0.5
"""A velocity variable of 1 changes the start's velocity by so much (m/s, rad/s)."""


class Variables(NamedTuple):
    """What an optimizer moves: numbers of order 1, zero at the kinematic estimate.

    Args:
        controls: Deviation of the controllers' targets, in CONTROL_UNIT, a target per control step [..., t, na].
        pose: Deviation of the configuration at the start, in POSE_UNIT [..., nv].
        velocity: Deviation of the velocity at the start, in VELOCITY_UNIT [..., nv].
    """

    controls: Tensor
    pose: Tensor
    velocity: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """What is given. Leading axes [...] are many windows at once.

    Args:
        body: nq coordinates, nv degrees of freedom, na of them driven.
        ground: None for none.
        qpos: Kinematic estimate at the start and after each control step [..., t + 1, nq].
        qvel: Velocity of the estimate at the start [..., nv].
    """

    body: Body
    ground: Ground | None
    qpos: Tensor
    qvel: Tensor

    @property
    def n_steps(self) -> int:
        """Control steps t."""
        return self.qpos.shape[-2] - 1

    def to(self, *, dtype: torch.dtype, device: torch.device | str | None = None) -> Window:
        """Return the same window in another precision or on another device."""
        moved = self.qpos.to(device, dtype), self.qvel.to(device, dtype)
        return replace(self, body=self.body.to(dtype=dtype, device=device), qpos=moved[0], qvel=moved[1])

    def still(self) -> Variables:
        """Return the variables of the estimate itself: zero."""
        many = self.qvel.shape[:-1]
        return Variables(
            controls=self.qpos.new_zeros(*many, self.n_steps, self.body.n_driven),
            pose=torch.zeros_like(self.qvel),
            velocity=torch.zeros_like(self.qvel),
        )


class Simulated(NamedTuple):
    """What came out, at the start and after each control step.

    Args:
        qpos: [..., t + 1, nq].
        qvel: [..., t + 1, nv].
        joints: Landmarks (m) [..., t + 1, k, 3].
        feelers: Points that feel the ground (m) [..., t + 1, c, 3].
        torques: Of the controllers at the beginning of each control step (N m) [..., t, na].
    """

    qpos: Tensor
    qvel: Tensor
    joints: Tensor
    feelers: Tensor
    torques: Tensor


def simulate(window: Window, variables: Variables) -> Simulated:
    """Let the body move as the controllers and the ground make it."""
    start, velocity, targets = controlled(window, variables)
    qpos, qvel = rollout(
        window.body,
        start,
        velocity,
        duration=1.0 / RATE_HZ,
        n_substeps=N_SUBSTEPS,
        targets=targets,
        ground=window.ground,
    )
    return _seen(window, qpos, qvel, targets)


def every_step(window: Window, variables: Variables) -> tuple[Tensor, Tensor, Simulated]:
    """Return what `simulate` does, and before it qpos [..., N_SUBSTEPS t + 1, nq] and qvel after each engine step."""
    start, velocity, targets = controlled(window, variables)
    qpos, qvel = rollout(
        window.body,
        start,
        velocity,
        duration=1.0 / (RATE_HZ * N_SUBSTEPS),
        targets=targets.repeat_interleave(N_SUBSTEPS, dim=-2),
        ground=window.ground,
    )
    frames = slice(None, None, N_SUBSTEPS)
    return qpos, qvel, _seen(window, qpos[..., frames, :], qvel[..., frames, :], targets)


def _seen(window: Window, qpos: Tensor, qvel: Tensor, targets: Tensor) -> Simulated:
    """Add places and torques to a motion at the ends of the control steps."""
    body = window.body
    pulls = body.drives.stiffness * difference(body, qpos[..., :-1, :], targets)
    torques = (pulls - body.drives.drive_damping * qvel[..., :-1, :]) @ body.drives.driven.mT
    return Simulated(qpos, qvel, landmarks(body, qpos), feelers(body, qpos), torques)


def controlled(window: Window, variables: Variables) -> tuple[Tensor, Tensor, Tensor]:
    """Return the start [..., nq], its velocity [..., nv] and the controllers' targets [..., t, nq]."""
    body = window.body
    start = integrate(body, window.qpos[..., 0, :], POSE_UNIT * variables.pose)
    velocity = window.qvel + VELOCITY_UNIT * variables.velocity
    turned = CONTROL_UNIT * (variables.controls @ body.drives.driven)
    return start, velocity, integrate(body, window.qpos[..., 1:, :], turned)
