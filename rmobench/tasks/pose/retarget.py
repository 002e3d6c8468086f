"""A recorded person's motion on our body: inverse kinematics, frame by frame, and how far off it stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacfwd, vmap

from rmobench.data.recording import JOINTS
from rmobench.errors import ArgumentError
from rmobench.physics.body import Body
from rmobench.physics.configuration import difference, integrate, limit_excess
from rmobench.physics.kinematics import feelers, landmarks, posture
from rmobench.tasks.pose.aims import NECK, aims

MM_PER_M = 1000.0

REST_M = 0.01
"""One radian away from rest counts as much as this error of one joint: it decides about turns that no joint shows."""

LIMIT_M = 0.5
"""One radian beyond a joint's range counts as much as this error of one joint."""

SUNK = 3.0
"""A point below the ground counts as much as a joint that is so many times as far off."""

N_ITERATIONS = 16

SETTLED = 1e-5
"""Gains below this share of the cost, in all frames, two times running, end the iterations."""

N_SWEEPS = 1
"""Times that the frames take over from their neighbours on both sides."""

DAMPING = 1e-4
"""Of a Levenberg-Marquardt step, in units of the residual's (m^2/rad^2); ten times less after every success."""

STANDING = 0.1
"""The lowest point is on the ground or below it in this share of the frames: recorded floors lie where they like."""

BENT_RAD = 0.2
"""Hinges begin so far bent: where a limb is straight its turn has no effect."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retargeted:
    """A motion of our body."""

    qpos: Tensor  # [frames, nq]
    residual_mm: Tensor  # [frames] mean distance of the landmarks from where they belong; the neck does not count


def retarget(body: Body, positions_m: Tensor) -> Retargeted:
    """Move our body as a recorded person moved.

    Minimises for every frame the squared distances of the landmarks from `aims`, within the joints' ranges and above
    the ground, by Levenberg-Marquardt; then the motion is lifted or lowered so that it stands on the ground, and
    fitted again. Frames do not know of each other.

    Args:
        body: With the landmarks of Human3.6M, in float64.
        positions_m: Recorded joints [frames, 17, 3], z up.

    Raises:
        ArgumentError: The positions have another shape.

    Source: Nocedal, Wright 2006, Numerical Optimization, 2nd ed., sec. 10.3.
    """
    if positions_m.ndim != 3 or positions_m.shape[1:] != (len(JOINTS), 3):
        raise ArgumentError(f"retarget: got positions of shape {list(positions_m.shape)}, expected [frames, 17, 3].")
    there = aims(positions_m, landmarks(body, body.home))
    qpos = _fit(body, _begin(body, there), there, grounded=False)
    lift = torch.zeros(3, dtype=qpos.dtype)
    lift[2] = -feelers(body, qpos)[..., 2].amin(-1).quantile(STANDING)
    there = there + lift
    qpos = _fit(body, qpos + lift @ body.coordinates.root_position.mT, there, grounded=True)
    off = torch.linalg.vector_norm(landmarks(body, qpos) - there, dim=-1)
    counted = [joint for joint in range(len(JOINTS)) if joint != NECK]
    return Retargeted(qpos=qpos, residual_mm=MM_PER_M * off[..., counted].mean(-1))


def _begin(body: Body, there: Tensor) -> Tensor:
    """Return a first guess [frames, nq]: upright at the pelvis, facing as the hips do, hinges bent."""
    left = there[..., 4, :] - there[..., 1, :]
    yaw = torch.atan2(-left[..., 0], left[..., 1])
    move = torch.zeros(len(there), body.n_dofs, dtype=there.dtype)
    move[:, :3] = there[..., 0, :] - body.home[:3]
    move[:, 5] = yaw
    bent = (body.coordinates.plain @ body.coordinates.hinges).sum(-1)  # [nv], 1 at hinges
    return integrate(body, body.home.expand(len(there), -1), move + BENT_RAD * bent)


def _joints(body: Body, qpos: Tensor) -> Tensor:
    """Return what keeps the joints natural, all of it to be small (m) [..., n]."""
    away = REST_M * (difference(body, body.home.expand_as(qpos), qpos) @ body.drives.driven.mT)
    return torch.cat([away, LIMIT_M * limit_excess(body, qpos)], dim=-1)


def _linear(body: Body, qpos: Tensor, there: Tensor, *, grounded: bool) -> tuple[Tensor, Tensor]:
    """Return everything that is squared (m) [frames, n], and its derivative by a move [frames, n, nv]."""

    def joints(move: Tensor, qpos: Tensor) -> Tensor:
        return _joints(body, integrate(body, qpos, move))

    weights = torch.ones(len(JOINTS), 1, dtype=qpos.dtype)
    weights[NECK] = 0.0
    off, slope = placed_points(body, qpos, body.landmark_points)
    still = torch.zeros(len(qpos), body.n_dofs, dtype=qpos.dtype)
    r = [(weights * (off - there)).flatten(1), _joints(body, qpos)]
    J = [(weights.unsqueeze(-1) * slope).flatten(1, 2), vmap(jacfwd(joints))(still, qpos)]
    if grounded:
        points, slope = placed_points(body, qpos, body.feeler_points)
        height = points[..., 2]
        r.append(SUNK * height.clamp_max(0.0))
        J.append(SUNK * (height < 0.0).unsqueeze(-1) * slope[..., 2, :])
    return torch.cat(r, dim=1), torch.cat(J, dim=1)


def placed_points(body: Body, qpos: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return where points of the body are (m) [..., k, 3], and their derivative by a move [..., k, 3, nv].

    Args:
        body: nb bodies, nv degrees of freedom.
        qpos: [..., nq].
        columns: The points, as columns [4 nb, k].
    """
    placed = posture(body, qpos)
    points = (placed.frames @ columns).mT  # [..., k, 3] about the origin
    on = columns.unflatten(0, (-1, 4))[:, 3]  # [nb, k], which body each is on
    angular, linear = placed.twists.split(3, dim=-2)
    moved = linear.unsqueeze(-3) + torch.linalg.cross(angular.unsqueeze(-3), points.unsqueeze(-1), dim=-2)
    return points + placed.origin.unsqueeze(-2), (on.mT @ body.tree.moves).unsqueeze(-2) * moved


def _solve(body: Body, qpos: Tensor, there: Tensor, *, grounded: bool, n_iterations: int) -> tuple[Tensor, Tensor]:
    """Return the minimisers [frames, nq] near the guesses, and the minima [frames]."""
    unit = torch.eye(body.n_dofs, dtype=qpos.dtype)
    damping = torch.full((len(qpos), 1, 1), DAMPING, dtype=qpos.dtype)
    r, J = _linear(body, qpos, there, grounded=grounded)
    n_settled = 0
    for _ in range(n_iterations):
        move = -torch.linalg.solve(J.mT @ J + damping * unit, J.mT @ r.unsqueeze(-1)).squeeze(-1)
        tried = integrate(body, qpos, move)
        new_r, new_J = _linear(body, tried, there, grounded=grounded)
        gain = 1.0 - new_r.square().sum(-1) / r.square().sum(-1)
        better = gain > 0.0
        qpos, r = torch.where(better[:, None], tried, qpos), torch.where(better[:, None], new_r, r)
        J = torch.where(better[:, None, None], new_J, J)
        damping = torch.where(better[:, None, None], 0.1 * damping, 10.0 * damping).clamp(1e-10, 1e4)
        n_settled = n_settled + 1 if gain.max() < SETTLED else 0
        if n_settled == 2:  # a step that was too long gains nothing, too
            break
    return qpos, r.square().sum(-1)


def _fit(body: Body, qpos: Tensor, there: Tensor, *, grounded: bool) -> Tensor:
    """Solve from the guesses, then from what the frames before and after have found, where that is better."""
    qpos, least = _solve(body, qpos, there, grounded=grounded, n_iterations=N_ITERATIONS)
    for shift in N_SWEEPS * (1, -1):
        tried, cost = _solve(body, qpos.roll(shift, 0), there, grounded=grounded, n_iterations=N_ITERATIONS // 2)
        qpos = torch.where((cost < least)[:, None], tried, qpos)
        least = torch.minimum(cost, least)
    return qpos
