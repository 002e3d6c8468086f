"""What every manifold does before it computes: check the shapes, leave half precision."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError


def wide(x: Tensor) -> Tensor:
    """Return x in float32 if it is stored narrower, else x itself.

    Factorisations do not exist below float32 on most devices, and sums of squares overflow there.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def check_same_shape(where: str, x: Tensor, **others: Tensor) -> None:
    """Raise ArgumentError unless every other tensor has the shape of x.

    Args:
        where: Class and method, as the message begins.
        x: The point.
        **others: Points or vectors, by the name of the method's argument.
    """
    for name, other in others.items():
        if other.shape != x.shape:
            got, expected = list(other.shape), list(x.shape)
            raise ArgumentError(f"{where}: {name} has shape {got}, expected {expected}, the shape of x.")
