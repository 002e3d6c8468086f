"""Which rows of a data set a problem is made of: no row is both trained on and held out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.tasks.streams import stream

SPLITS = ("all", "train", "held_out")
"""All rows, those that learned optimizers may be trained on, and the others."""

N_KINDS = 5
"""An instance has rows of so many kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Rows with their labels."""

    rows: Tensor  # [m, d], float64
    labels: Tensor  # [m], 0 to n_kinds - 1, each of them present
    n_kinds: int


def samples(task: str, data: str, *, split: str, instance: int) -> Samples:
    """Load a data set and choose rows of it.

    Args:
        task: Its name, for the messages.
        data: A name in the catalogue `rmobench.data.SOURCES`.
        split: One of SPLITS.
        instance: 0: every row of the split; k: half of the split's rows of five kinds, both drawn anew for each k.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: No such split or instance.
        MissingDependencyError: The data are not on this machine.
    """
    if instance < 0:
        raise ArgumentError(f"{task}: got instance={instance}, expected a number of at least 0.")
    loaded = load(data)
    inside = part(task, len(loaded.labels) - loaded.n_test, split=split)
    rows = torch.tensor(loaded.inputs[inside], dtype=torch.float64).flatten(1)
    labels = torch.tensor(loaded.labels[inside])
    if instance:
        chosen = _drawn(labels, instance)
        rows, labels = rows[chosen], labels[chosen]
    kinds, labels = torch.unique(labels, return_inverse=True)
    return Samples(rows=rows, labels=labels, n_kinds=len(kinds))


def part(task: str, n: int, *, split: str) -> slice:
    """Return the rows of a split: of n that are no test part the first half, to a full hundred, is for training.

    The split "all" has the test part too where the caller has one.

    Raises:
        ArgumentError: No such split.
    """
    if split not in SPLITS:
        raise ArgumentError(f"{task}: got split={split!r}, expected one of {', '.join(SPLITS)}.")
    half = 100 * -(-n // 200)
    return {"all": slice(None), "train": slice(None, half), "held_out": slice(half, n)}[split]


def _drawn(labels: Tensor, instance: int) -> Tensor:
    """Return the rows of an instance in ascending order."""
    generator = stream(instance, "samples")
    kinds = torch.unique(labels)
    kinds = kinds[torch.randperm(len(kinds), generator=generator)[:N_KINDS]]
    candidates = torch.isin(labels, kinds).nonzero().squeeze(-1)
    order = torch.randperm(len(candidates), generator=generator)
    return candidates[order[: len(candidates) // 2]].sort().values
