"""What every structure does before it computes: check sizes and shapes, leave half precision where it must."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError


def wide(x: Tensor) -> Tensor:
    """Return x in float32 if it is stored narrower, else x itself."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_size(owner: str, name: str, size: int, *, least: int) -> None:
    """Raise ArgumentError unless a structure's size is an integer and at least `least`.

    Args:
        owner: Name of the structure, as the message begins.
        name: Name of the size.
        size: Number of rows or columns.
        least: Smallest size that makes sense.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < least:
        raise ArgumentError(f"{owner}: got {name}={size!r}, expected an integer of at least {least}.")


def check_dimension(owner: str, p: int) -> None:
    """Raise ArgumentError unless p is at least 1."""
    if p < 1:
        raise ArgumentError(f"{owner}.identity: got p={p!r}, expected a dimension of at least 1.")


def check_square(owner: str, M: Tensor) -> None:
    """Raise ArgumentError unless M is a single square matrix [p, p]."""
    if M.ndim != 2 or M.shape[0] != M.shape[1]:
        raise ArgumentError(f"{owner}.project: M has shape {list(M.shape)}, expected a square matrix [p, p].")


def check_rows(where: str, Y: Tensor, p: int | None = None) -> None:
    """Raise ArgumentError unless Y is a single matrix [m, p].

    Args:
        where: Structure and method, as the message begins.
        Y: Rows.
        p: Dimension of the factor that they meet; None where there is none.
    """
    if Y.ndim != 2 or (p is not None and Y.shape[1] != p):
        expected = "[m, p]" if p is None else f"[m, {p}], as the factor has dimension {p}"
        raise ArgumentError(f"{where}: Y has shape {list(Y.shape)}, expected {expected}.")
