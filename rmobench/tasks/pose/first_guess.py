"""A pose that follows from where joints are, without iterations: each segment turned as its ends say."""

from __future__ import annotations

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn.functional import normalize

from rmobench.data.recording import JOINTS
from rmobench.physics.body import Body
from rmobench.physics.configuration import integrate
from rmobench.tasks.pose.aims import HEAD, HIPS, PELVIS, SHOULDERS, SPINE, THORAX, frame

STRAIGHT = 0.1
"""Sine of the angle of a hinge below which the limb's plane is taken from the carrier instead."""


def first_guess(body: Body, there: Tensor) -> Tensor:
    """Return the configuration [nq] of our adult whose joints are about there.

    Args:
        body: The adult: its degrees of freedom are in the order of humanoid.xml.
        there: Where the landmarks belong (m) [17, 3].
    """
    pelvis = frame(_left(there, HIPS), there[SPINE] - there[PELVIS])
    trunk = frame(_left(there, SHOULDERS), there[THORAX] - there[SPINE])
    head = frame(trunk[:, 1], there[HEAD] - there[THORAX], upright=True)
    legs = {side: _limb(there, pelvis, side, ("hip", "knee", "ankle"), forward=False) for side in ("right", "left")}
    arms = {side: _limb(there, trunk, side, ("shoulder", "elbow", "wrist"), forward=True) for side in ("left", "right")}
    move = [there[PELVIS] - body.home[:3], _turn(pelvis)]
    for thigh, knee in legs.values():
        move += [_turn(pelvis.mT @ thigh), knee, torch.zeros(3, dtype=there.dtype)]
    move += [_turn(pelvis.mT @ trunk), _turn(trunk.mT @ head)]
    for arm, elbow in arms.values():
        move += [_turn(trunk.mT @ arm), elbow]
    return integrate(body, body.home, torch.cat(move))


def _limb(
    there: Tensor, carrier: Tensor, side: str, names: tuple[str, str, str], *, forward: bool
) -> tuple[Tensor, Tensor]:
    """Return how the upper half of a limb is turned in the world [3, 3], and the angle of its hinge (rad) [1].

    Args:
        there: Where the landmarks belong [17, 3].
        carrier: How the body that carries it is turned [3, 3].
        side: "right" or "left".
        names: Its joints, from the carrier on.
        forward: Whether the hinge bends the lower half forward.
    """
    begin, middle, end = (there[JOINTS.index(f"{side}_{name}")] for name in names)
    upper, lower = normalize(middle - begin, dim=0), normalize(end - middle, dim=0)
    across = torch.linalg.cross(upper, lower)
    sine = torch.linalg.vector_norm(across)
    bent = -across if forward else across
    turned = frame(bent if sine > STRAIGHT else carrier[:, 1], -upper, upright=True)
    return turned, torch.atan2(sine, upper @ lower).reshape(1)


def _left(there: Tensor, pair: tuple[int, ...]) -> Tensor:
    right, left = pair
    return there[left] - there[right]


def _turn(rotation: Tensor) -> Tensor:
    """Return the rotation vector [3] of a rotation [3, 3]."""
    return torch.tensor(Rotation.from_matrix(rotation.numpy()).as_rotvec(), dtype=rotation.dtype)
