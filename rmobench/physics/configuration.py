"""Configurations of a body: moving along a velocity, what lies between two, targets, joint limits."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.physics import quaternions
from rmobench.physics.body import Body


def integrate(body: Body, qpos: Tensor, qvel: Tensor, duration: float = 1.0) -> Tensor:
    """Return where a constant velocity leads: quaternions are multiplied by the exponential of their turn.

    Args:
        body: nq coordinates, nv degrees of freedom.
        qpos: [..., nq].
        qvel: [..., nv].
        duration: s.

    Returns:
        [..., nq].
    """
    here = torch.unflatten(qpos @ body.coordinates.quaternions, -1, (-1, 4))
    turn = duration * torch.unflatten(qvel @ body.coordinates.spins, -1, (-1, 3))
    moved = quaternions.paired(here, quaternions.exponential(turn)) @ body.maps.products - here
    plain = qpos + duration * (qvel @ body.coordinates.plain)
    return plain + moved.flatten(-2) @ body.coordinates.quaternions.mT


def difference(body: Body, start: Tensor, end: Tensor) -> Tensor:
    """Return the velocity that leads from one configuration to another in one second; inverse of `integrate`.

    Args:
        body: nq coordinates, nv degrees of freedom.
        start: [..., nq].
        end: [..., nq].

    Returns:
        [..., nv], m/s and rad/s.
    """
    a, b = (torch.unflatten(q @ body.coordinates.quaternions, -1, (-1, 4)) for q in (start, end))
    turn = quaternions.logarithm(quaternions.paired(a, b) @ body.maps.quotients)
    return (end - start) @ body.coordinates.plain.mT + turn.flatten(-2) @ body.coordinates.spins.mT


def pose_of(body: Body, angles: Tensor) -> Tensor:
    """Return the configuration in which each driven joint is turned away from home, the root at home.

    Free numbers for an optimizer: a hinge takes its angle, a ball its rotation vector.

    Args:
        body: na driven degrees of freedom.
        angles: rad [..., na].

    Returns:
        [..., nq].
    """
    return integrate(body, body.home.expand(*angles.shape[:-1], -1), angles @ body.drives.driven)


def limit_excess(body: Body, qpos: Tensor) -> Tensor:
    """Return by how much each hinge and each ball exceeds its range (rad) [..., h + r]; 0 within.

    A ball's angle is that of its whole turn. What is exceeded has a derivative, what is not has none.
    """
    angles = qpos @ body.coordinates.hinges
    low, high = body.coordinates.hinge_ranges.unbind(-1)
    turns = quaternions.logarithm(torch.unflatten(qpos @ body.coordinates.quaternions, -1, (-1, 4)))
    of_hinges = (low - angles).relu() + (angles - high).relu()
    of_balls = (torch.linalg.vector_norm(turns, dim=-1) - body.coordinates.ball_ranges).relu()
    return torch.cat([of_hinges, of_balls], dim=-1)
