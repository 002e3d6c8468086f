"""What is called, as the dispatcher sees it: which kernels, and whether one of them factorises, inverts or solves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

FACTORISATIONS = (
    "linalg",
    "chol",
    "inverse",
    "solve",
    "eig",
    "svd",
    "geqrf",
    "orgqr",
    "ormqr",
    "lu_unpack",
    "lu_with_info",
)
"""Parts of the names of every kernel that factorises, inverts or solves."""

NORMS = {"linalg_vector_norm"}
"""Called linalg, and no factorisation."""


class Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remember the names of all operations, and the types and the largest size of floating results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()
        self.dtypes: set[torch.dtype] = set()
        self.largest = 0  # entries

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and look at what came out."""
        out = func(*args, **(kwargs or {}))
        self.names.add(func._schema.name.removeprefix("aten::"))
        for value in tree_iter(out):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.dtypes.add(value.dtype)
                self.largest = max(self.largest, value.numel())
        return out

    @property
    def factorisations(self) -> tuple[str, ...]:
        """Return the names of those that factorise, invert or solve, in the order of the alphabet."""
        return tuple(sorted(name for name in self.names - NORMS if any(part in name for part in FACTORISATIONS)))
