"""What a step calls, as the dispatcher sees it."""

from __future__ import annotations

from torch import Tensor, dtype
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

NORMS = {"linalg_vector_norm"}
"""Called linalg, and no factorisation."""

FACTORISATIONS = ("linalg", "chol", "inverse", "solve", "eig", "svd", "geqrf", "orgqr", "lu_")
"""Parts of the names of every kernel that factorises, inverts or solves."""


class Kernels(TorchDispatchMode):
    """Remembers the names of all operations, and the types and the largest size of floating results."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.dtypes: set[dtype] = set()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.names.add(func._schema.name.removeprefix("aten::"))
        for value in tree_iter(out):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.dtypes.add(value.dtype)
                self.largest = max(self.largest, value.numel())
        return out

    @property
    def factorisations(self) -> list[str]:
        """Return the names that factorise, invert or solve."""
        return sorted(name for name in self.names - NORMS if any(part in name for part in FACTORISATIONS))
