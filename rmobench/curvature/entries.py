"""Sums over entries, and diagonals, that several structures share."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.curvature.storage import wide


def sum_of_squares(*parts: Tensor) -> Tensor:
    """Return the sum of all squared entries, []; through norms, which neither overflow early nor need room."""
    total = parts[0].new_zeros(())
    for part in parts:
        norm: Tensor = torch.linalg.vector_norm(part)
        total = total + norm.square()
    return total


def column_squares(Y: Tensor) -> Tensor:
    """Return the diagonal [p] of Y^T Y, Y [..., m, p]."""
    return Y.square().sum(-2)


def matrix_trace(M: Tensor) -> Tensor:
    """Return the sum of the traces of M [..., p, p], []."""
    return M.diagonal(dim1=-2, dim2=-1).sum()


def diagonal_shifted(M: Tensor, c: float | Tensor) -> Tensor:
    """Return M + c I, M [..., p, p]."""
    M = M.clone()
    M.diagonal(dim1=-2, dim2=-1).add_(c)
    return M


def log_abs_det(M: Tensor) -> Tensor:
    """Return the sum of log |det| of M [..., p, p], [], in float32 or wider."""
    logs: Tensor = torch.linalg.slogdet(wide(M)).logabsdet
    return logs.sum()


def log_abs(d: Tensor) -> Tensor:
    """Return the sum of log |d|, [], in float32 or wider."""
    return wide(d).abs().log().sum()
