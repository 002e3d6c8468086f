"""How far a motion is from another one, and from what mechanics allows.

Lengths come in m and leave in mm. Leading axes [...] are batches: seeds, windows, cameras. What is averaged is said.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError

MM_PER_M = 1000.0

SLIP_M = 0.02
"""A foot in contact that moves further from one frame to the next skates; 1 m/s at 50 Hz."""

CONTACT_M = 0.02
"""A point of a foot lower than this is in contact with the ground."""

GRAVITY = (0.0, 0.0, -9.81)
"""Acceleration in m/s^2, z up."""


def mpjpe_global(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean distance of joints in the world, MPJPE-G, in mm; [...].

    Source: Ionescu, Papava, Olaru, Sminchisescu 2014, Human3.6M, IEEE TPAMI 36(7), without its alignment.

    Args:
        predicted: Positions in m [..., frames, joints, 3].
        target: Positions in m of the same shape, or of one that broadcasts to it.

    Raises:
        ArgumentError: The shapes do not fit.
    """
    return MM_PER_M * _mean_distance("mpjpe_global", predicted, target, n_axes=3)


def mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean distance of joints after the roots, joint 0, are moved onto each other, MPJPE, in mm; [...].

    Source: Ionescu, Papava, Olaru, Sminchisescu 2014, Human3.6M, IEEE TPAMI 36(7).

    Args:
        predicted: Positions in m [..., frames, joints, 3].
        target: Positions in m of the same shape, or of one that broadcasts to it.

    Raises:
        ArgumentError: The shapes do not fit.
    """
    _check("mpjpe", predicted, target, n_axes=3)
    return mpjpe_global(predicted - predicted[..., :1, :], target - target[..., :1, :])


def mpjpe_procrustes(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean distance after the best similarity of each frame is applied, MPJPE-PA, in mm; [...].

    A measure, no loss: its derivative does not exist where singular values meet.
    Source: Umeyama 1991, Least-squares estimation of transformation parameters, IEEE TPAMI 13(4).

    Args:
        predicted: Positions in m [..., frames, joints, 3]; translated, rotated and scaled, never reflected.
        target: Positions in m of the same shape, or of one that broadcasts to it.

    Raises:
        ArgumentError: The shapes do not fit.
    """
    _check("mpjpe_procrustes", predicted, target, n_axes=3)
    X = predicted - predicted.mean(dim=-2, keepdim=True)
    Y = target - target.mean(dim=-2, keepdim=True)
    U, S, Vh = torch.linalg.svd(X.mT @ Y)
    proper = torch.ones_like(S)
    proper[..., -1] = torch.sign(torch.linalg.det(U) * torch.linalg.det(Vh))
    R = (U * proper[..., None, :]) @ Vh  # rows of X turn by R
    tiny = torch.finfo(X.dtype).tiny  # all joints in one point: any scale will do
    scale = (S * proper).sum(dim=-1) / X.square().sum(dim=(-2, -1)).clamp_min(tiny)
    return mpjpe_global(scale[..., None, None] * (X @ R), Y)


def mpjpe_2d(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean distance of joints in the picture, MPJPE-2d, in px; [...].

    Args:
        predicted: Where the joints are seen, in px [..., frames, joints, 2].
        target: The same for the other motion.

    Raises:
        ArgumentError: The shapes do not fit.
    """
    return _mean_distance("mpjpe_2d", predicted, target, n_axes=2)


def total_variation(positions: Tensor, *, dt_s: float) -> Tensor:
    """Return the total variation of the joints' acceleration, a measure of jitter, in m/s^2 a frame; [...].

    1/T sum_t sum_k |a_k(t + 1) - a_k(t)| over joints k and the T steps between accelerations a, which are central
    differences. It is 0 for any motion of constant acceleration.
    Source: named after the measure that Gärtner, Andriluka, Coumans, Sminchisescu 2022, DiffPhy, CVPR, arXiv 2205.12256
    report; the formula is fixed here, as theirs was not at hand to compare, so that numbers are not to be mixed.

    Args:
        positions: Of the joints, in m [..., frames, joints, 3]; at least four frames.
        dt_s: Time from one frame to the next.

    Raises:
        ArgumentError: There are fewer frames.
    """
    _check_frames("total_variation", positions, at_least=4)
    acceleration = positions.diff(n=2, dim=-3) / dt_s**2
    return _norm(acceleration.diff(dim=-3)).sum(dim=-1).mean(dim=-1)


def foot_skate(feet: Tensor, *, contact_m: float = CONTACT_M, slip_m: float = SLIP_M) -> Tensor:
    """Return in how many of the steps from frame to frame a foot skates, in %; [...].

    A foot skates if one of its points is in contact, lower than `contact_m`, before and after the step and moves more
    than `slip_m` along the ground.
    Source: 2 cm from frame to frame, in per cent of the frames in which either foot does so, is what evaluations on
    Human3.6M count, e.g. the published code of Louis, Khoshlessan, Corso 2025, arXiv 2502.04483, which takes the whole
    displacement at 25 Hz and contact from where the true foot is; contact by height, and the displacement along the
    ground alone, are ours. Another frame rate is another measure.

    Args:
        feet: Points of the soles, in m, z up, the ground at 0 [..., frames, points, 3]; at least two frames.
        contact_m: Height below which a point is in contact; 0.02 m.
        slip_m: Distance along the ground from frame to frame beyond which it skates; 0.02 m.

    Raises:
        ArgumentError: There are fewer frames.
    """
    _check_frames("foot_skate", feet, at_least=2)
    low = feet[..., 2] < contact_m
    slips = _norm(feet[..., :2].diff(dim=-3)) > slip_m
    skates = (slips & low[..., 1:, :] & low[..., :-1, :]).any(dim=-1)
    return skates.to(feet.dtype).mean(dim=-1) * 100.0


def penetration_depth(points: Tensor) -> Tensor:
    """Return how deep the deepest point is below the ground in each frame, in mm, 0 where none is; [..., frames].

    Its mean over frames is what is reported, its maximum what a limit applies to.

    Args:
        points: Of the body, in m, z up, the ground at 0 [..., frames, points, 3].
    """
    return MM_PER_M * (-points[..., 2]).amax(dim=-1).clamp_min(0.0)


def root_residual_force(
    centre: Tensor, contact: Tensor, *, mass_kg: float, dt_s: float, gravity: tuple[float, float, float] = GRAVITY
) -> Tensor:
    """Return the force that would have to pull at the root to explain the motion, in N; [..., frames - 2].

    A body that nothing but gravity and the ground acts on obeys m c'' = m g + f; the norm of what is missing is 0. The
    acceleration c'' is a central difference, so the first and the last frame have no value.
    Source: Newton's second law; residual forces at the root as what physics does not explain: Shimada, Golyanik, Xu,
    Theobalt 2020, PhysCap, ACM TOG 39(6), arXiv 2008.08880.

    Args:
        centre: Of mass, in m [..., frames, 3]; at least three frames.
        contact: Sum of the ground's forces on the body, in N [..., frames, 3].
        mass_kg: Of the body.
        dt_s: Time from one frame to the next.
        gravity: Acceleration in m/s^2.

    Raises:
        ArgumentError: There are fewer frames, or the shapes do not fit.
    """
    if centre.shape[-2:] != contact.shape[-2:] or centre.shape[-1] != 3 or centre.shape[-2] < 3:
        raise ArgumentError(
            f"root_residual_force: got shapes {list(centre.shape)} and {list(contact.shape)}, expected "
            "[..., frames, 3] twice, of the same frames and at least three of them."
        )
    acceleration = centre.diff(n=2, dim=-2) / dt_s**2
    missing = mass_kg * (acceleration - centre.new_tensor(gravity)) - contact[..., 1:-1, :]
    return _norm(missing)


def _mean_distance(name: str, predicted: Tensor, target: Tensor, *, n_axes: int) -> Tensor:
    """Return the mean Euclidean distance over frames and joints; [...]."""
    _check(name, predicted, target, n_axes=n_axes)
    return _norm(predicted - target).mean(dim=(-2, -1))


def _norm(v: Tensor) -> Tensor:
    """Return the lengths of vectors [..., n]; [...]."""
    lengths: Tensor = torch.linalg.vector_norm(v, dim=-1)
    return lengths


def _check(name: str, predicted: Tensor, target: Tensor, *, n_axes: int) -> None:
    """Refuse what would broadcast a frame or a joint to all others."""
    if predicted.shape[-3:] != target.shape[-3:] or predicted.ndim < 3 or predicted.shape[-1] != n_axes:
        raise ArgumentError(
            f"{name}: got shapes {list(predicted.shape)} and {list(target.shape)}, expected [..., frames, joints, "
            f"{n_axes}] twice, of the same frames and joints."
        )


def _check_frames(name: str, positions: Tensor, *, at_least: int) -> None:
    if positions.ndim < 3 or positions.shape[-3] < at_least:
        raise ArgumentError(
            f"{name}: got shape {list(positions.shape)}, expected [..., frames, points, 3] with {at_least} frames or "
            "more."
        )
