"""Many files, one store: of equal ids the newest record counts. Compaction and merging never lose a record.

A store is a folder of loose JSON files and Parquet segments, or a single Parquet file (for reading).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rmobench.errors import CorruptRecordError, StoreError
from rmobench.store.columns import to_records, to_table
from rmobench.store.parquet import corrupt_if_unreadable, read_parquet, write_parquet
from rmobench.store.record_files import (
    loose_paths,
    path_of,
    read_all,
    read_existing,
    sweep_leftovers,
)
from rmobench.types import Record, Status

CHUNK = 1000
"""Loose records that are held as objects at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a store holds: how each trial ended, and the loose files that cannot be read."""

    by_id: Mapping[str, Status]
    corrupt: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What a merge did."""

    target: Path
    n_added: int
    n_replaced: int  # the target had an older record
    n_total: int

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.target}: {self.n_added} added, {self.n_replaced} replaced by newer ones, {self.n_total} records"


def statuses(store: Path) -> Held:
    """Tell how every trial in a store ended, for resuming; a store that does not exist holds nothing.

    A damaged loose file is reported, not raised: its trial runs again and overwrites it.

    Raises:
        CorruptRecordError: A Parquet segment is damaged.
        FutureSchemaError: A newer rmobench wrote here.
    """
    newest: dict[str, tuple[float, Status]] = {}
    corrupt = []
    for path in loose_paths(store):
        try:
            if (record := read_existing(path)) is not None:
                newest[record.id] = (record.started_at, record.status)
        except CorruptRecordError:
            corrupt.append(path)
    for segment in _read_segments(store, columns=["id", "status", "started_at"]):
        for row in segment.to_pylist():
            if row["id"] not in newest or newest[row["id"]][0] < row["started_at"]:
                newest[row["id"]] = (row["started_at"], Status(row["status"]))
    return Held(by_id={id_: status for id_, (_, status) in newest.items()}, corrupt=tuple(corrupt))


def records(store: Path, ids: Collection[str] | None = None) -> Iterator[Record]:
    """Yield the records of a store in the order of their ids.

    Args:
        store: Folder, or a Parquet file.
        ids: Only these trials.

    Raises:
        StoreError: The store does not exist, or has no record.
    """
    table = newest_table(store, ids)
    with corrupt_if_unreadable(store):
        yield from to_records(table)


def newest_table(store: Path, ids: Collection[str] | None = None, *, trace: bool = True) -> pa.Table:
    """Return a store's records as columns, the newest of each id, in the order of the ids.

    Raises:
        StoreError: The store does not exist, or has no record.
    """
    loose = [] if store.is_file() else loose_paths(store) if ids is None else [path_of(store, id_) for id_ in ids]
    tables = [*_loose_tables(loose, trace=trace), *_read_segments(store, trace=trace)]
    if not tables and not loose_paths(store):
        raise StoreError(f"{store}: no records here. `rmobench run smoke --store {store}` makes some.")
    return _newest(tables, ids, trace=trace)


def _newest(tables: Sequence[pa.Table], ids: Collection[str] | None = None, *, trace: bool = True) -> pa.Table:
    """Join tables; of equal ids the newest stays, of equally old ones that of the first table."""
    if ids is not None:
        wanted = pa.array(sorted(ids), pa.string())
        tables = [table.filter(pc.is_in(table["id"], value_set=wanted)) for table in tables]
    whole = pa.concat_tables([to_table([], trace=trace), *tables], promote_options="default").unify_dictionaries()
    id_ = whole["id"].to_numpy().astype(str)
    age = -whole["started_at"].to_numpy()
    order = np.lexsort((age, id_))
    first = np.r_[True, id_[order][1:] != id_[order][:-1]] if len(order) else np.zeros(0, bool)
    return whole.take(pa.array(order[first]))


def _loose_tables(paths: Iterable[Path], *, trace: bool = True) -> Iterator[pa.Table]:
    found = read_all(list(paths))
    while chunk := list(islice(found, CHUNK)):
        try:
            yield to_table(chunk, trace=trace)
        except (OverflowError, pa.ArrowException) as error:
            raise CorruptRecordError(f"one of the records {chunk[0].id} to {chunk[-1].id}: {error}.") from error


def _read_segments(store: Path, columns: list[str] | None = None, *, trace: bool = True) -> list[pa.Table]:
    """Read all segments; read them again if a compaction replaced one meanwhile."""
    while True:
        try:
            return [read_parquet(path, columns, trace=trace) for path in _segments(store)]
        except FileNotFoundError:
            continue


def _segments(store: Path) -> list[Path]:
    return [store] if store.is_file() else sorted(store.glob("*.parquet"))


def compact(store: Path) -> Path:
    """Put all records of a store into one Parquet file and remove the files that it replaces.

    A crash at any moment loses nothing: files are removed only after the new one is complete, and until then the
    newest record of each id counts. Records written meanwhile stay as they are.

    Returns:
        The Parquet file.

    Raises:
        StoreError: The store has no record, or is a single file.
    """
    if store.is_file():
        raise StoreError(f"{store}: got a file, expected a store's folder, such as results/records.")
    seen = {path: _identity(path) for path in loose_paths(store)}
    old = _segments(store)
    segment = _write_segment(newest_table(store), store)
    _remove(seen, [path for path in old if path != segment])
    return segment


def _write_segment(table: pa.Table, store: Path) -> Path:
    """Write a segment under a name made of its content: the same records give the same file."""
    digest = hashlib.sha256()
    for id_, at in zip(table["id"].to_pylist(), table["started_at"].to_pylist(), strict=True):
        digest.update(f"{id_} {at!r}\n".encode())
    return write_parquet(table, store / f"records-{digest.hexdigest()[:16]}.parquet")


def _remove(seen: Mapping[Path, tuple[int, int] | None], old: Iterable[Path]) -> None:
    """Remove files that were read, but not those that were written anew since."""
    for path, identity in seen.items():
        if identity is not None and _identity(path) == identity:
            path.unlink(missing_ok=True)
        sweep_leftovers(path.parent)
    for path in old:
        path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def export_parquet(store: Path, path: Path, ids: Collection[str] | None = None) -> Path:
    """Write a store's records, or some of them, into a Parquet file elsewhere; the store stays as it is."""
    table = newest_table(store, ids)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_parquet(table, path)


def merge(target: Path, sources: Iterable[Path]) -> MergeReport:
    """Add the records of other stores to one; of equal ids the newest stays. Doing it again changes nothing.

    Args:
        target: Folder of the store that receives; made if it does not exist.
        sources: Folders or Parquet files; they stay as they are.

    Raises:
        StoreError: A source does not exist or has no record, or the target is a file.
    """
    if target.is_file():
        raise StoreError(f"{target}: got a file, expected a store's folder to merge into, such as results/records.")
    incoming = _newest([newest_table(source) for source in sources])
    held = _started_at(target)
    ids, ages = incoming["id"].to_pylist(), incoming["started_at"].to_pylist()
    is_new = [id_ not in held or held[id_] < at for id_, at in zip(ids, ages, strict=True)]
    fresh = incoming.filter(pa.array(is_new, pa.bool_()))
    if fresh.num_rows:
        target.mkdir(parents=True, exist_ok=True)
        _write_segment(fresh, target)
    n_replaced = sum(id_ in held for id_ in fresh["id"].to_pylist())
    n_added = fresh.num_rows - n_replaced
    return MergeReport(target=target, n_added=n_added, n_replaced=n_replaced, n_total=len(held) + n_added)


def _started_at(store: Path) -> dict[str, float]:
    """Return when the newest record of each id was measured; nothing for a store that does not exist."""
    tables = [*_loose_tables(loose_paths(store), trace=False), *_read_segments(store, ["id", "started_at"])]
    tables = [table.select(["id", "started_at"]) for table in tables]
    found: dict[str, float] = {}
    for table in tables:
        for id_, at in zip(table["id"].to_pylist(), table["started_at"].to_pylist(), strict=True):
            found[id_] = max(at, found.get(id_, at))
    return found
