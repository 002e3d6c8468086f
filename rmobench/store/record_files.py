"""Loose files: one JSON per record, each written whole or not at all.

A record's file is STORE/<first two digits of its id>/<id>.json. A file that is being written has a name of its own,
ending in .tmp, until it is complete; what a killed process leaves behind is never read and soon swept away.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from rmobench.errors import CorruptRecordError, FutureSchemaError, StoreError
from rmobench.types import SCHEMA, Record

LEFTOVER_S = 3600.0
"""Age after which a .tmp file belongs to nobody."""


class _Head(msgspec.Struct):
    """What every schema, past or future, has."""

    schema: int


class _Begun(msgspec.Struct):
    """All that decides which of two records of a trial stays."""

    started_at: float


_BEGUN = msgspec.json.Decoder(_Begun)
_HEAD = msgspec.json.Decoder(_Head)
_RECORD = msgspec.json.Decoder(Record)


def path_of(store: Path, id_: str) -> Path:
    """Return where the record of a trial lies."""
    return store / id_[:2] / f"{id_}.json"


def loose_paths(store: Path) -> list[Path]:
    """Return every record's file, in the order of the ids."""
    return sorted(store.glob("??/*.json"))


def write(store: Path, record: Record) -> Path:
    """Write a record, unless one of the same trial that started later is there: a lost worker may have left it.

    Safe while others write the same store, or the same record.

    Args:
        store: Folder; made if it does not exist.
        record: What to write.

    Returns:
        The record's file.
    """
    path = path_of(store, record.id)
    if _started_later(path, record.started_at):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(path.parent)
        write_whole(path, msgspec.json.encode(_printable(record)))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}. --store takes another.") from error
    return path


def _started_later(path: Path, started_at: float) -> bool:
    try:
        return _BEGUN.decode(path.read_bytes()).started_at > started_at
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # nothing there, or nothing that can be read


def prepare(store: Path) -> None:
    """Make the store's folder and try to write into it, before anything is measured.

    Raises:
        StoreError: It cannot be made or written.
    """
    try:
        store.mkdir(parents=True, exist_ok=True)
        probe = unfinished_name(store / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoreError(f"{store}: cannot be written: {error.strerror or error}. --store takes another.") from error


def _printable(record: Record) -> Record:
    """Escape what is not UTF-8 in the message of a foreign exception (undecodable file names)."""
    if record.error is None:
        return record
    return replace(record, error=record.error.encode("utf-8", "backslashreplace").decode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part, even if the process is killed."""
    unfinished = unfinished_name(path)
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def unfinished_name(path: Path) -> Path:
    """Return a name in the same folder that no other process or thread uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(8)}.tmp")


def sweep_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder, once it is too old to be someone's work."""
    for path in folder.glob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > LEFTOVER_S:
                path.unlink()
        except FileNotFoundError:
            continue  # finished, or swept by another process


def read(path: Path) -> Record:
    """Read a record's file.

    Raises:
        StoreError: There is no such file.
        CorruptRecordError: It is truncated, not JSON, not a record, or the record of another trial.
        FutureSchemaError: A newer rmobench wrote it.
    """
    record = read_existing(path)
    if record is None:
        raise StoreError(f"{path}: no such file. `rmobench run` writes records.")
    return record


def read_existing(path: Path) -> Record | None:
    """Read a record's file; None if it is gone, compacted by another process."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}.") from error
    return _decode(content, path)


def read_all(paths: list[Path]) -> Iterator[Record]:
    """Read many files, leaving out those that are gone."""
    for path in paths:
        if (record := read_existing(path)) is not None:
            yield record


def _decode(content: bytes, path: Path) -> Record:
    try:
        check_schema(_HEAD.decode(content).schema, path)
        record = _RECORD.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptRecordError(f"{path}: not a record: {error}. {repair(path)}") from error
    if record.id != path.stem:
        raise CorruptRecordError(f"{path}: holds the record {record.id[:12]!r}, another one. {repair(path)}")
    return record


def check_schema(schema: int, path: Path) -> None:
    """Raise FutureSchemaError for a schema newer than ours, CorruptRecordError for one that never was."""
    if schema > SCHEMA:
        raise FutureSchemaError(f"{path}: schema {schema} is newer than {SCHEMA}. Update rmobench to read it.")
    if schema < 1:
        raise CorruptRecordError(f"{path}: schema {schema} does not exist. {repair(path)}")


def repair(path: Path) -> str:
    """Say how to get rid of a damaged file."""
    return f"`rm {path}` removes it; the same `rmobench run` then measures it again."
