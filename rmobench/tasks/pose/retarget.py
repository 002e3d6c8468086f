"""A recorded person's motion on our body: inverse kinematics, frame by frame, and how far off it stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rmobench.data.recording import JOINTS
from rmobench.errors import ArgumentError
from rmobench.physics.body import Body
from rmobench.physics.configuration import difference, integrate, limit_excess
from rmobench.physics.kinematics import feelers, landmarks, posture
from rmobench.tasks.pose.aims import ANKLES, NECK, aims
from rmobench.tasks.pose.first_guess import first_guess

MM_PER_M = 1000.0

HOME_M, BEFORE_M = 0.003, 0.01
"""One radian away from rest, and from the frame before, counts as much as this error of one joint: they decide about
turns that no joint shows."""

LIMIT_M = 0.5
"""One radian beyond a joint's range counts as much as this error of one joint."""

SUNK = 3.0
"""A point below the ground counts as much as a joint that is so many times as far off."""

N_ITERATIONS = 40
DAMPING = 1e-4
"""Of a Levenberg-Marquardt step (m^2/rad^2); ten times less after every success, ten times more after a failure."""

DAMPING_MIN, DAMPING_MAX = 1e-8, 1e3

SETTLED = 1e-3
"""A gain below this share of the cost ends the iterations."""

STANDING = 0.1
"""The lower ankle is as high as a standing person's, or lower, in this share of the frames: recorded floors lie where
they like."""

LOST_MM = 10.0
"""A frame that stays further off is tried again without the frame before."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retargeted:
    """A motion of our body."""

    qpos: Tensor  # [frames, nq]
    residual_mm: Tensor  # [frames] mean distance of the landmarks from where they belong; the neck does not count


def retarget(body: Body, positions_m: Tensor) -> Retargeted:
    """Move our body as a recorded person moved.

    Minimises for every frame the squared distances of the landmarks from `aims`, within the joints' ranges and above
    the ground, by Levenberg-Marquardt from the frame before. Before that the motion is lifted or lowered so that it
    stands on the ground.

    Args:
        body: With the landmarks of Human3.6M, in float64.
        positions_m: Recorded joints [frames, 17, 3], z up.

    Raises:
        ArgumentError: The positions have another shape.

    Source: Nocedal, Wright 2006, Numerical Optimization, 2nd ed., sec. 10.3.
    """
    if positions_m.ndim != 3 or positions_m.shape[1:] != (len(JOINTS), 3):
        raise ArgumentError(f"retarget: got positions of shape {list(positions_m.shape)}, expected [frames, 17, 3].")
    home = landmarks(body, body.home)
    there = aims(positions_m, home)
    standing = home[list(ANKLES), 2].amin() - feelers(body, body.home)[:, 2].amin()
    there[..., 2] += standing - there[:, list(ANKLES), 2].amin(-1).quantile(STANDING)
    found: list[Tensor] = []
    for frame in there:
        guesses = found[-1:] or [first_guess(body, frame)]
        qpos = _solve(body, guesses[0], frame)
        if _off_mm(body, qpos, frame) > LOST_MM:
            anew = _solve(body, first_guess(body, frame), frame)
            qpos = min(qpos, anew, key=lambda q: _off_mm(body, q, frame))
        found.append(qpos)
    qpos = torch.stack(found)
    return Retargeted(qpos=qpos, residual_mm=_off_mm(body, qpos, there))


def _off_mm(body: Body, qpos: Tensor, there: Tensor) -> Tensor:
    """Return the mean distance of the landmarks, the neck left out, from where they belong (mm) [...]."""
    off: Tensor = torch.linalg.vector_norm(landmarks(body, qpos) - there, dim=-1)
    return MM_PER_M * off[..., [joint for joint in range(len(JOINTS)) if joint != NECK]].mean(-1)


def _solve(body: Body, qpos: Tensor, there: Tensor) -> Tensor:
    """Return the minimiser [nq] near a guess, which is the frame before."""
    before, damping = qpos, DAMPING
    r, J = _linear(body, qpos, there, before)
    cost = r.square().sum()
    for _ in range(N_ITERATIONS):
        A = J.mT @ J + damping * torch.eye(body.n_dofs, dtype=qpos.dtype)
        tried = integrate(body, qpos, -torch.linalg.solve(A, J.mT @ r))
        new_r, new_J = _linear(body, tried, there, before)
        new_cost = new_r.square().sum()
        gain = cost - new_cost
        if gain > 0.0:
            qpos, r, J, cost, damping = tried, new_r, new_J, new_cost, max(0.1 * damping, DAMPING_MIN)
        else:
            damping *= 10.0
        if 0.0 < gain < SETTLED * new_cost or damping > DAMPING_MAX:
            break
    return qpos


def _linear(body: Body, qpos: Tensor, there: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return everything that is squared (m) [n], and its derivative by a move [n, nv].

    That of a rotation vector is taken as 1, which it is along the vector: all that the slope of its square asks for.
    """
    n_joints = len(JOINTS)
    weights = torch.ones(n_joints, 1, dtype=qpos.dtype)
    weights[NECK] = 0.0
    points, by_move = placed_points(body, qpos, torch.cat([body.landmark_points, body.feeler_points], dim=1))
    height, driven = points[n_joints:, 2], body.drives.driven
    excess, excess_by_move = _excess(body, qpos)
    r = [
        (weights * (points[:n_joints] - there)).flatten(),
        SUNK * height.clamp_max(0.0),
        HOME_M * (driven @ difference(body, body.home, qpos)),
        BEFORE_M * (driven @ difference(body, before, qpos)),
        LIMIT_M * excess,
    ]
    J = [
        (weights.unsqueeze(-1) * by_move[:n_joints]).flatten(0, 1),
        SUNK * (height < 0.0).unsqueeze(-1) * by_move[n_joints:, 2],
        HOME_M * driven,
        BEFORE_M * driven,
        LIMIT_M * excess_by_move,
    ]
    return torch.cat(r), torch.cat(J)


def _excess(body: Body, qpos: Tensor) -> tuple[Tensor, Tensor]:
    """Return `limit_excess` (rad) [h + r], and its derivative by a move [h + r, nv]."""
    of = body.coordinates
    excess = limit_excess(body, qpos)
    sign = torch.where(qpos @ of.hinges > of.hinge_ranges[:, 1], 1.0, -1.0)
    turned = difference(body, body.home, qpos) @ of.spins  # the root's, too, which has no range
    axes = normalize(turned.unflatten(-1, (-1, 3)), dim=-1)  # type: ignore[no-untyped-call]
    slopes = torch.cat([sign.unsqueeze(-1) * (of.plain @ of.hinges).mT, _about(of.spins, axes)])
    return excess, (excess > 0.0).unsqueeze(-1) * slopes


def _about(spins: Tensor, axes: Tensor) -> Tensor:
    """Return how a move turns balls about these axes [r, nv].

    Args:
        spins: From qvel to the angular velocities of balls [nv, 3 r].
        axes: [r, 3].
    """
    parts: Tensor = spins.unflatten(-1, axes.shape) * axes  # type: ignore[no-untyped-call]
    return parts.sum(-1).mT


def placed_points(body: Body, qpos: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return where points of the body are (m) [k, 3], and their derivative by a move [k, 3, nv].

    Args:
        body: nb bodies, nv degrees of freedom.
        qpos: [nq].
        columns: The points, as columns [4 nb, k].
    """
    placed = posture(body, qpos)
    points = (placed.frames @ columns).mT  # about the origin
    on = columns[3::4]  # [nb, k], which body each is on
    angular, linear = placed.twists[None, :3], placed.twists[None, 3:]
    moved = linear + torch.linalg.cross(angular, points.unsqueeze(-1), dim=1)
    return points + placed.origin, (on.mT @ body.tree.moves).unsqueeze(1) * moved
