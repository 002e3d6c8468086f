"""Bytes: of state, of weights, at the peak. Resident set size says nothing at this size, so storages are tracked."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

NOTHING = nullcontext()
"""One for all: the oracle enters it at every call."""


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Sum the storages behind tensors, each once; a meta tensor stands for memory that torch cannot see."""
    declared = 0
    storages: dict[int, int] = {}
    for tensor in tensors:
        if tensor.is_meta:
            declared += tensor.numel() * tensor.element_size()
        else:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return declared + sum(storages.values())


class StorageTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watch every storage that torch operations make on the CPU, and every value wider than the precision.

    Parameters, gradients, state and passing values count, from the end of the set-up on; the task's data and frozen
    parameters do not.
    """

    def __init__(self, *, widest: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.current = self.peak = 0
        self.own_peak = 0  # outside the oracle, since `begin_step`
        self.saved = 0  # most bytes that a call of the oracle has kept for its backward pass, of what it made itself
        self.upcasts: set[str] = set()
        self._itemsize = widest.itemsize
        self._asking = self._away = False
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and look at what came out."""
        out = func(*args, **(kwargs or {}))
        if self._away:
            return out
        for value in tree_iter(out):
            if isinstance(value, Tensor):
                self.hold(value)
                if not self._asking and self._wide(value):
                    self.upcasts.add(f"{func._schema.name.removeprefix('aten::')} in {str(value.dtype)[6:]}")
        return out

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Mark the oracle's own operations: their memory counts, their wide values are the task's."""
        before, self._asking = self._asking, True
        known, kept = set(self._seen), dict[int, int]()

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata in self._seen and storage._cdata not in known:
                kept[storage._cdata] = storage.nbytes()
            return tensor

        try:
            with torch.autograd.graph.saved_tensors_hooks(keep, _as_it_is):
                yield
        finally:
            self._asking = before
            self.saved = max(self.saved, sum(kept.values()))

    def begin_step(self) -> None:
        """Look for the largest memory outside the oracle anew."""
        self.own_peak = self.current

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Look away: what the judge does is not part of the trial."""
        self._away = True
        try:
            yield
        finally:
            self._away = False

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor's storage from now until it is freed."""
        if self._meet(tensor, counted=True):
            self.current += tensor.untyped_storage().nbytes()
            self.peak = max(self.peak, self.current)
            if not self._asking:
                self.own_peak = max(self.own_peak, self.current)

    def know(self, tensor: Tensor) -> None:
        """Leave out a tensor's storage, unless it is counted already, and all views of it."""
        self._meet(tensor, counted=False)

    def _meet(self, tensor: Tensor, *, counted: bool) -> bool:
        """Return whether this is the first of a storage, which is remembered until it is freed."""
        if tensor.is_meta:
            return False
        storage = tensor.untyped_storage()
        key, n_bytes = storage._cdata, storage.nbytes()
        if key in self._seen or n_bytes == 0:
            return False
        self._seen.add(key)
        weakref.finalize(storage, self._free, key, n_bytes if counted else 0).atexit = False
        return True

    def _free(self, key: int, n_bytes: int) -> None:
        self._seen.discard(key)
        self.current -= n_bytes

    def _wide(self, value: Tensor) -> bool:
        """A floating value beyond the precision; single numbers (step counts, bias corrections) are no upcast."""
        return value.is_floating_point() and value.dtype.itemsize > self._itemsize and value.numel() > 1


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


class CudaPeak:
    """The CUDA allocator's peak from the end of the set-up on, the judge's allocations left out."""

    def __init__(self) -> None:
        self._peak = 0
        torch.cuda.reset_peak_memory_stats()

    @property
    def peak(self) -> int:
        """Most bytes that were allocated at once."""
        return max(self._peak, torch.cuda.max_memory_allocated())

    def asking(self) -> AbstractContextManager[None]:
        """Nothing to mark: the allocator does not know who asks."""
        return NOTHING

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Look away: what the judge does is not part of the trial."""
        self._peak = self.peak
        try:
            yield
        finally:
            torch.cuda.reset_peak_memory_stats()


class NoMeter:
    """No memory is measured: the timed run on the CPU."""

    def asking(self) -> AbstractContextManager[None]:
        """Nothing to mark."""
        return NOTHING

    def aside(self) -> AbstractContextManager[None]:
        """Nothing to look away from."""
        return NOTHING
