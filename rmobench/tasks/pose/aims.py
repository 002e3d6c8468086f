"""Where the joints of our body belong if it is to move as a recorded person does: their directions, our lengths."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rmobench.data.recording import JOINTS, PARENTS

PELVIS, SPINE, THORAX, NECK, HEAD = (JOINTS.index(name) for name in ("pelvis", "spine", "thorax", "neck", "head"))
HIPS, SHOULDERS, ANKLES = (
    tuple(JOINTS.index(f"{side}_{joint}") for side in ("right", "left")) for joint in ("hip", "shoulder", "ankle")
)
"""The right one first."""
LEGS = tuple(JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "ankle"))
CHAIN = (SPINE, THORAX, HEAD)
LIMBS = tuple(
    JOINTS.index(f"{side}_{joint}") for joint in ("knee", "ankle", "elbow", "wrist") for side in ("left", "right")
)
"""Each after the joint that carries it."""


def aims(positions_m: Tensor, home_m: Tensor) -> Tensor:
    """Return where our landmarks belong [..., 17, 3].

    Limbs, spine and head keep their direction and take our length; hips and shoulders keep the places that they have in
    our pelvis and trunk, which are turned as the recorded ones; the path of the pelvis is scaled as the legs are. The
    neck, which every skeleton puts elsewhere, is half way between thorax and head.

    Args:
        positions_m: Recorded joints [..., 17, 3], z up.
        home_m: Our landmarks where the body is at rest, upright, x forward [17, 3].
    """
    placed: dict[int, Tensor] = {PELVIS: _leg(home_m) / _leg(positions_m).mean() * positions_m[..., PELVIS, :]}
    pelvis = frame(_between(positions_m, HIPS), positions_m[..., SPINE, :] - positions_m[..., PELVIS, :])
    trunk = frame(_between(positions_m, SHOULDERS), positions_m[..., THORAX, :] - positions_m[..., SPINE, :])
    for joint in CHAIN:
        carrier = PELVIS if joint == SPINE else SPINE if joint == THORAX else THORAX
        placed[joint] = placed[carrier] + _along(positions_m, home_m, carrier, joint)
    placed[NECK] = 0.5 * (placed[THORAX] + placed[HEAD])
    for joint in HIPS:
        placed[joint] = placed[PELVIS] + pelvis @ (home_m[joint] - home_m[PELVIS])
    for joint in SHOULDERS:
        placed[joint] = placed[THORAX] + trunk @ (home_m[joint] - home_m[THORAX])
    for joint in LIMBS:
        placed[joint] = placed[PARENTS[joint]] + _along(positions_m, home_m, PARENTS[joint], joint)
    return torch.stack([placed[joint] for joint in range(len(JOINTS))], dim=-2)


def _along(positions_m: Tensor, home_m: Tensor, carrier: int, joint: int) -> Tensor:
    """Return the recorded direction from one joint to another, as long as on our body [..., 3]."""
    length: Tensor = torch.linalg.vector_norm(home_m[joint] - home_m[carrier])
    along: Tensor = length * normalize(positions_m[..., joint, :] - positions_m[..., carrier, :], dim=-1)
    return along


def _between(positions_m: Tensor, pair: tuple[int, ...]) -> Tensor:
    """Return the vector from the right joint of a pair to the left one [..., 3]."""
    right, left = pair
    return positions_m[..., left, :] - positions_m[..., right, :]


def frame(left: Tensor, up: Tensor, *, upright: bool = False) -> Tensor:
    """Return the rotation [..., 3, 3] whose columns point forward, left and up.

    Args:
        left: Where left is [..., 3].
        up: Where up is [..., 3].
        upright: Keep `up` and make `left` normal to it, instead of the other way round.
    """
    first, second = (up, left) if upright else (left, up)
    kept = normalize(first, dim=-1)
    other = normalize(second - (second * kept).sum(-1, keepdim=True) * kept, dim=-1)
    y, z = (other, kept) if upright else (kept, other)
    return torch.stack([torch.linalg.cross(y, z), y, z], dim=-1)


def _leg(positions_m: Tensor) -> Tensor:
    """Return the mean length of thighs and shanks [...]."""
    lengths = [
        torch.linalg.vector_norm(positions_m[..., joint, :] - positions_m[..., PARENTS[joint], :], dim=-1)
        for joint in LEGS
    ]
    return torch.stack(lengths).mean(0)
