"""What a second process does to a store while the tests look on."""

from __future__ import annotations

from pathlib import Path

from rmobench.store import compact, write
from rmobench.types import Record
from tests.store import factory


def shared_records() -> list[Record]:
    return list(factory.records(60, n_points=20))


def write_all(store: Path, times: int) -> None:
    """Write the same records again and again."""
    for _ in range(times):
        for record in shared_records():
            write(store, record)


def write_and_compact(store: Path, first_seed: int) -> None:
    """Write records of one's own, compacting every few."""
    for seed in range(first_seed, first_seed + 30):
        write(store, factory.record(factory.trial(seed=seed), n_points=20))
        if seed % 5 == 0:
            compact(store)
