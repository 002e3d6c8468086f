"""What a precision means: the storage type of parameters, gradients and optimizer state, and the backend's switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from threadpoolctl import threadpool_limits

from rmobench.harness.memory import NOTHING

DTYPES = {
    "fp64": torch.float64,
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "bf16-amp": torch.float32,
}


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Return the context in which the oracle evaluates the loss: bfloat16 autocast for bf16-amp, else nothing."""
    if precision == "bf16-amp":
        return partial(torch.autocast, device.type, dtype=torch.bfloat16)
    return no_autocast


def no_autocast() -> AbstractContextManager[object]:
    """Return the context that does nothing, always the same one."""
    return NOTHING


def set_backend(precision: str) -> None:
    """Set the process-wide switches that a trial depends on, whatever an earlier trial left behind."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Give torch one thread, and what it had before at the end: small work is slower with more, and depends on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pin_threads(threads: int) -> None:
    """Give torch and every BLAS that is loaded this many threads.

    Call it again when something may have been imported since: scipy brings a BLAS of its own.
    """
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    threadpool_limits(limits=threads)
