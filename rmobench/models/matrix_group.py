"""Parameters that are one matrix of a group, in the storage of its structure."""

from __future__ import annotations

from torch import nn


class MatrixGroup(nn.Module):
    """Say that parameters of the module which holds this one are one matrix of a group; has no parameters itself.

    Optimizers that move matrices within their group find it among the modules. To others they are parameters like any.

    Args:
        structure: Name of the group, as the room of structured matrices spells it.
        *parts: Names of the parameters beside it, one for each tensor of the structure's storage, in its order.
        n: Number of rows of the matrix.
        size: How large the dense parts of the structure are; None for its default.
    """

    def __init__(self, structure: str, *parts: str, n: int, size: int | None = None) -> None:
        super().__init__()
        self.structure, self.parts, self.n, self.size = structure, parts, n, size
