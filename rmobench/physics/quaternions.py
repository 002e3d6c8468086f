"""Unit quaternions (w, x, y, z): products of entries, exponential and logarithm, smooth at rest."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def paired(p: Tensor, q: Tensor) -> Tensor:
    """Return the products of all entries of p and q [..., 4], from which constant maps make others: [..., 16]."""
    return (p.unsqueeze(-1) * q.unsqueeze(-2)).flatten(-2)


def exponential(turn: Tensor) -> Tensor:
    """Return the unit quaternion [..., 4] of a rotation vector [..., 3] (rad).

    Source: F. S. Grassia 1998, J. Graphics Tools 3(3), eq. 3.
    """
    half = _length(0.5 * turn)
    return torch.cat([half.cos(), 0.5 * torch.sinc(half / torch.pi) * turn], dim=-1)


def logarithm(q: Tensor) -> Tensor:
    """Return the shortest rotation vector [..., 3] (rad) of a quaternion [..., 4] of any length above 0."""
    w, v = q[..., :1], q[..., 1:]
    length = _length(v)
    shortest = torch.where(w < 0, -2.0, 2.0)  # q and -q are the same turn
    return shortest * torch.atan2(length, w.abs()) / length * v


def _length(v: Tensor) -> Tensor:
    """Return |v| [..., 1] of v [..., 3], kept from zero, where it has no derivative, by far less than a rounding."""
    return ((v * v).sum(-1, keepdim=True) + math.sqrt(torch.finfo(v.dtype).tiny)).sqrt()
