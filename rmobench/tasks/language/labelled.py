"""Short texts with labels in two parts, and batches of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.data import Sentences
from rmobench.errors import ArgumentError
from rmobench.models.bert import Texts
from rmobench.tasks.language.adapted import Held
from rmobench.tasks.streams import epochs

HELD_OUT = 5
"""Every fifth text is held out, by its digest, so that equal texts are on one side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Token numbers of texts and their labels."""

    texts: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]


def parts(loaded: Sentences) -> tuple[list[int], list[int]]:
    """Return the rows that are trained on and those that are judged on.

    The test part where there is one; else by the digests of the texts. A judged text that is trained on too is left
    out.
    """
    n = len(loaded.texts)
    keys = [" ".join(text.lower().split()) for text in loaded.texts]
    if loaded.n_test:
        train, judged = list(range(n - loaded.n_test)), list(range(n - loaded.n_test, n))
    else:
        aside = [hashlib.sha256(key.encode()).digest()[0] % HELD_OUT == 0 for key in keys]
        train, judged = [k for k in range(n) if not aside[k]], [k for k in range(n) if aside[k]]
    seen = {keys[k] for k in train}
    return train, [k for k in judged if keys[k] not in seen]


def evenly(rows: Sequence[int], n: int) -> list[int]:
    """Return n of the rows, evenly spaced, or all where there are fewer."""
    return [rows[k * len(rows) // n] for k in range(n)] if n < len(rows) else list(rows)


def padded(texts: Sequence[Sequence[int]], *, padding: int, device: torch.device) -> Texts:
    """Return the numbers of texts [m, t], filled up to the longest, and where they are not filled up."""
    longest = max(map(len, texts))
    numbers = torch.tensor([[*text, *[padding] * (longest - len(text))] for text in texts])
    present = torch.tensor([[k < len(text) for k in range(longest)] for text in texts])
    return numbers.to(device), present.to(device)


def batches(
    data: Labelled, *, batch_size: int, padding: int, device: torch.device, generator: Generator
) -> Iterator[tuple[Texts, Tensor]]:
    """Yield texts and their labels, epoch after epoch."""
    for rows in epochs(len(data.texts), batch_size, generator):
        yield _batch(data, rows.tolist(), padding, device)


def held(data: Labelled, *, chunk: int, padding: int, device: torch.device) -> tuple[Held, ...]:
    """Return the batches that are judged on, texts of like length together."""
    by_length = sorted(range(len(data.texts)), key=lambda k: len(data.texts[k]))
    chunks = [by_length[k : k + chunk] for k in range(0, len(by_length), chunk)]
    return tuple(Held(*_batch(data, rows, padding, device)) for rows in chunks)


def check_batch(task: str, batch_size: int, n: int) -> None:
    """Raise ArgumentError unless a batch fits into the texts."""
    if not 1 <= batch_size <= n:
        raise ArgumentError(f"{task}: got batch_size={batch_size}, expected 1 to {n}, the training texts.")


def _batch(data: Labelled, rows: Sequence[int], padding: int, device: torch.device) -> tuple[Texts, Tensor]:
    texts = padded([data.texts[k] for k in rows], padding=padding, device=device)
    return texts, torch.tensor([data.labels[k] for k in rows]).to(device)
