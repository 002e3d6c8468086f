"""Constants of a function, at the device and precision of its argument."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def placed(constant: Tensor) -> Callable[[Tensor], Tensor]:
    """Return like(x): the float64 constant at the device and precision of x, copied there only once."""
    copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(x: Tensor) -> Tensor:
        key = (x.device, x.dtype)
        if key not in copies:
            with torch.inference_mode(False):  # a copy made in inference mode could not be differentiated later
                copies[key] = constant.to(x.device, x.dtype)
        return copies[key]

    return like
