"""The matrix exponential, to full precision."""

from __future__ import annotations

import torch
from torch import Tensor


def expm(a: Tensor) -> Tensor:
    """Return the exponential of a [..., p, p], float32 or wider.

    torch 2.13 ends the series of a single float64 matrix too early (up to 3e-11 off for 1-norms from 0.01 to 0.05) but
    not that of a batch; below float32 its result is silently wrong.
    """
    pair: Tensor = torch.linalg.matrix_exp(torch.stack([a, a]))
    return pair[0]
