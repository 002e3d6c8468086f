"""Where bodies and points are, and how they move: poses by depth in the tree, everything else by masks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rmobench.physics.body import Body
from rmobench.physics.quaternions import paired


class Posture(NamedTuple):
    """A body in a configuration; the reference point of all spatial quantities is the root's origin.

    Spatial vectors are columns: angular part first, then the part of the point at the origin.

    Args:
        origin: The root's position in the world (m) [..., 3].
        frames: Poses of the bodies about the origin, in world axes, side by side [..., 3, 4 nb].
        twists: Spatial velocity that a unit rate of each degree of freedom gives its body [..., 6, nv].
        moments: Mass (kg), its first (kg m) and second moments (kg m^2) about the origin [..., nb, 4, 4].
    """

    origin: Tensor
    frames: Tensor
    twists: Tensor
    moments: Tensor


def posture(body: Body, qpos: Tensor) -> Posture:
    """Place all bodies; quaternions need not be of length one.

    Args:
        body: nq coordinates.
        qpos: [..., nq].

    Source: R. Featherstone 2008, Rigid Body Dynamics Algorithms, sec. 4.1 and 4.4, in world axes.
    """
    poses = _poses(body, qpos)
    frames = side_by_side(poses)
    axes, anchors = frames @ body.axes, frames @ body.anchors
    twists = torch.cat([axes, torch.linalg.cross(anchors, axes, dim=-2)], dim=-2) + body.slides
    return Posture(origin_of(body, qpos), frames, twists, poses @ body.moments @ poses.mT)


def origin_of(body: Body, qpos: Tensor) -> Tensor:
    """Return the root's position in the world (m) [..., 3] for qpos [..., nq]."""
    return qpos @ body.coordinates.root_position + body.coordinates.base


def side_by_side(poses: Tensor) -> Tensor:
    """Lay homogeneous poses [..., nb, 4, 4] side by side [..., 3, 4 nb], so that one product places all points."""
    return poses[..., :3, :].transpose(-3, -2).flatten(-2)


def _poses(body: Body, qpos: Tensor) -> Tensor:
    """Return the homogeneous poses of the bodies about the root's origin [..., nb, 4, 4]."""
    half = 0.5 * (qpos @ body.coordinates.hinges)
    turns = torch.cat([qpos, half.cos(), half.sin()], dim=-1) @ body.coordinates.joint_quaternions
    q = normalize(torch.unflatten(turns + body.coordinates.fixed_quaternions, -1, (-1, 4)), dim=-1)
    local = torch.unflatten(paired(q, q) @ body.maps.rotations + body.places, -1, (4, 4))
    root, *others = torch.split(local, [1, *map(len, body.tree.generations)], dim=-3)
    poses = [root]
    for carriers, here in zip(body.tree.generations, others, strict=True):
        before = poses[-1].unbind(-3)
        poses.append(torch.stack([before[c] for c in carriers], dim=-3) @ here)
    return torch.cat(poses, dim=-3)


def landmarks(body: Body, qpos: Tensor) -> Tensor:
    """Return the landmarks' positions in the world (m) [..., k, 3] for qpos [..., nq]."""
    return _placed(body, qpos, body.landmark_points)


def feelers(body: Body, qpos: Tensor) -> Tensor:
    """Return the positions (m) [..., c, 3] in the world of the points that can touch the ground, for qpos [..., nq]."""
    return _placed(body, qpos, body.feeler_points)


def _placed(body: Body, qpos: Tensor, columns: Tensor) -> Tensor:
    return (side_by_side(_poses(body, qpos)) @ columns).mT + origin_of(body, qpos).unsqueeze(-2)


def body_velocities(body: Body, placed: Posture, qvel: Tensor) -> Tensor:
    """Return the spatial velocities (rad/s, m/s) of the bodies [..., 6, nb] for qvel [..., nv]."""
    return (placed.twists * qvel.unsqueeze(-2)) @ body.tree.moves.mT
