"""Smooth compliant contact of fixed points with the ground z = 0.

A point at depth d (m, positive below the ground) that moves with (v_t, v_z) feels

    normal   N = k e softplus(d / e) (1 - tanh(c v_z))
    tangent  -mu N tanh(|v_t| / s) v_t / |v_t|

so that forces and their derivatives are continuous and small above the ground, there is never a pull, and a body slips
slowly instead of sticking.
Sources: K. H. Hunt, F. R. E. Crossley 1975, J. Applied Mechanics 42 (damping in proportion to the elastic force; its
factor 1 - c v_z is bounded here); M. Geilinger et al. 2020, ADD, ACM Trans. Graphics 39(6) (smoothed penalty contact
for derivatives).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from rmobench.errors import ArgumentError
from rmobench.physics.body import Body
from rmobench.physics.kinematics import Posture, posture


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """How hard and how smooth the contact is; the defaults hold a standing adult of 73 kg within 3 mm of the ground.

    Args:
        stiffness: k, of one point (N/m).
        smoothing: e, depth over which the force sets in (m); smaller is harder and has derivatives less far.
        dissipation: c, damping per elastic force (s/m).
        friction: mu, Coulomb's coefficient.
        slip: s, velocity at which friction is about 3/4 of its bound (m/s).

    Raises:
        ArgumentError: A constant below 0, or one of 0 that has to be above.
    """

    stiffness: float = 1e5
    smoothing: float = 0.0025
    dissipation: float = 1.0
    friction: float = 0.9
    slip: float = 0.05

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, may_vanish = getattr(self, field.name), field.name in ("dissipation", "friction")
            if not (value > 0 or (value == 0 and may_vanish)):
                bound = "at least" if may_vanish else "above"
                raise ArgumentError(f"Ground: {field.name} is {value}, expected a number {bound} 0.")


class Touch(NamedTuple):
    """What the ground does to the feelers.

    Args:
        points: Where they are about the origin, in world axes (m) [..., 3, c].
        force: On each, in the world (N) [..., 3, c].
        drag: By how much the force falls with the velocity sideways (N s/m) [..., 1, c].
        impedance: By how much it falls with the velocity upwards (N s/m) [..., 1, c].
    """

    points: Tensor
    force: Tensor
    drag: Tensor
    impedance: Tensor


def touch(body: Body, placed: Posture, qvel: Tensor, ground: Ground, *, ahead: float = 0.0) -> Touch:
    """Return the forces of the ground, now or a little later, and how they answer to the velocity.

    Args:
        body: c feelers, nv degrees of freedom.
        placed: Its posture.
        qvel: [..., nv].
        ground: Its constants.
        ahead: How much later (s): the depth is taken from where the velocity leads, to first order.
    """
    points = placed.frames @ body.feeler_points
    velocity = _velocities(body, placed, points, qvel)
    sideways, upwards = torch.split(velocity, [2, 1], dim=-2)
    depth = -(placed.origin[..., 2:, None] + points[..., 2:, :])

    elastic = ground.stiffness * ground.smoothing * softplus(depth / ground.smoothing)
    braking = torch.tanh(ground.dissipation * upwards)
    normal = elastic * (1.0 - braking)
    # the length is kept from zero, where it has no derivative, by a thousandth of the velocity that matters
    speed = (sideways.square().sum(-2, keepdim=True) + (1e-3 * ground.slip) ** 2).sqrt()
    drag = ground.friction * normal * torch.tanh(speed / ground.slip) / speed
    rise = ahead * ground.stiffness * torch.sigmoid(depth / ground.smoothing) * (1.0 - braking)
    return Touch(
        points=points,
        force=torch.cat([-drag * sideways, normal - rise * upwards], dim=-2),
        drag=drag,
        impedance=rise + ground.dissipation * elastic * (1.0 - braking.square()),
    )


def _velocities(body: Body, placed: Posture, points: Tensor, qvel: Tensor) -> Tensor:
    """Return the velocities (m/s) [..., 3, c] of the feelers, at these points about the origin [..., 3, c]."""
    twists = (placed.twists * qvel.unsqueeze(-2)) @ body.tree.moves_feelers.mT
    velocities: Tensor = twists[..., 3:, :] + torch.linalg.cross(twists[..., :3, :], points, dim=-2)
    return velocities


def wrenches(met: Touch) -> Tensor:
    """Return the wrenches (N m, N) [..., 6, c] of the ground's forces about the origin."""
    return torch.cat([torch.linalg.cross(met.points, met.force, dim=-2), met.force], dim=-2)


def resistance(met: Touch) -> Tensor:
    """Return the moments of what resists each feeler sideways, then upwards (N s/m, N s, N s m) [..., 32, c]."""
    places = torch.cat([met.points, torch.ones_like(met.drag)], dim=-2)
    moments = (places.unsqueeze(-3) * places.unsqueeze(-2)).flatten(-3, -2)
    return torch.cat([met.drag * moments, met.impedance * moments], dim=-2)


def ground_forces(body: Body, qpos: Tensor, qvel: Tensor, ground: Ground) -> Tensor:
    """Return the forces of the ground on the feelers, in the world (N) [..., c, 3].

    Args:
        body: c feelers, nq coordinates, nv degrees of freedom.
        qpos: [..., nq].
        qvel: [..., nv].
        ground: Its constants.
    """
    return touch(body, posture(body, qpos), qvel, ground).force.mT


def forces_over_step(
    body: Body, qpos: Tensor, qvel: Tensor, after: Tensor, ground: Ground, *, duration: float
) -> Tensor:
    """Return the ground's forces on the feelers over a step, as `step` has them (N) [..., c, 3].

    They act at the end of the step, so that they depend on the velocity that it has led to.

    Args:
        body: c feelers, nq coordinates, nv degrees of freedom.
        qpos: Before the step [..., nq].
        qvel: Before the step [..., nv].
        after: The velocity after it [..., nv].
        ground: Its constants.
        duration: Of the step (s).
    """
    placed = posture(body, qpos)
    met = touch(body, placed, qvel, ground, ahead=duration)
    change = _velocities(body, placed, met.points, after - qvel)
    resisted = torch.cat([met.drag, met.drag, met.impedance], dim=-2) * change
    return (met.force - resisted).mT
