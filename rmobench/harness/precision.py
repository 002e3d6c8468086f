"""What a precision means: the storage type of parameters, gradients and optimizer state, and the backend's switches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch

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
    return nullcontext


def set_backend(precision: str, threads: int) -> None:
    """Set the process-wide switches that a trial depends on: tf32 on or off, threads of the CPU backend."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
