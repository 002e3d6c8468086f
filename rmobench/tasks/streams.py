"""Separate seed streams, so that the start, the data and the optimizer never share random numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Generator, Tensor


def stream(seed: int, name: str) -> torch.Generator:
    """Return a CPU generator for one purpose ("init", "data", "instance") of one seed.

    Streams of different names or seeds are independent; the optimizer is not part of them, so that every optimizer
    of a seed starts at the same point and sees the same data.
    """
    digest = hashlib.sha256(f"{name}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def epochs(n: int, batch_size: int, generator: Generator) -> Iterator[Tensor]:
    """Yield the rows [batch_size] of batches for ever: each of n once per epoch, in a new order each time.

    An epoch's last, smaller batch is left out. The order does not depend on what is done with the batches.
    """
    while True:
        for rows in torch.split(torch.randperm(n, generator=generator), batch_size):
            if len(rows) == batch_size:
                yield rows
