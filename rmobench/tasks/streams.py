"""Separate seed streams, so that the start, the data and the optimizer never share random numbers."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, name: str) -> torch.Generator:
    """Return a CPU generator for one purpose ("init", "data", "instance") of one seed.

    Streams of different names or seeds are independent; the optimizer is not part of them, so that every optimizer
    of a seed starts at the same point and sees the same data.
    """
    digest = hashlib.sha256(f"{name}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
