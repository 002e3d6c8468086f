from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmobench.errors import CorruptRecordError, FutureSchemaError, StoreError
from rmobench.store import load, read, records, statuses, write
from rmobench.types import Record, Status
from tests.store import concurrent, factory, strategies

GOOD = msgspec.json.encode(factory.record(n_points=5))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of one record, for tests that damage it."""
    yield write(tmp_path_factory.mktemp("store"), factory.record(n_points=5))


@settings(max_examples=150, deadline=None)
@given(record=strategies.records)
def test_what_is_written_is_read(record: Record) -> None:
    with TemporaryDirectory() as store:
        found = write(Path(store), record)
        assert found == Path(store) / record.id[:2] / f"{record.id}.json"
        assert read(found) == record


@settings(max_examples=200, deadline=None)
@given(length=st.integers(0, len(GOOD) - 1))
def test_a_truncated_record_is_corrupt(path: Path, length: int) -> None:
    path.write_bytes(GOOD[:length])
    with pytest.raises(CorruptRecordError, match=r"not a record: .* `rm .*json` removes it"):
        read(path)


@settings(max_examples=500, deadline=None)
@given(where=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_is_reported_or_harmless(path: Path, where: int, byte: int) -> None:
    path.write_bytes(GOOD[:where] + bytes([byte]) + GOOD[where + 1 :])
    for reads in (read, lambda p: load(p.parent.parent), lambda p: statuses(p.parent.parent)):
        try:
            reads(path)
        except StoreError as error:
            assert str(path) in str(error)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200) | st.text().map(str.encode))
def test_anything_else_is_corrupt(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CorruptRecordError, match=re.escape(str(path))):
        read(path)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("status", "great", "Invalid enum value"),
        ("status", None, "Expected `str`"),
        ("trace", {"step": 1}, "Expected `array`"),
        ("trace", [{"step": 1.5}], "Expected `int`"),
        ("started_at", "now", "Expected `float`"),
        ("trial", None, "Expected `object`"),
        ("target", {"headline": 0.3}, "is not one of the rungs"),
        ("schema", "1", "Expected `int`"),
        ("schema", 0, "schema 0 does not exist"),
        ("id", "abc", "another one"),
    ],
)
def test_wrong_types_and_values_are_corrupt(path: Path, key: str, value: object, why: str) -> None:
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(GOOD) | {key: value}))
    with pytest.raises(CorruptRecordError, match=why):
        read(path)


@pytest.mark.parametrize("content", [{"schema": 3}, msgspec.json.decode(GOOD) | {"schema": 3}])
def test_a_newer_schema_is_refused_even_by_resume(path: Path, content: object) -> None:
    path.write_bytes(msgspec.json.encode(content))
    said = re.escape(f"{path}: schema 3 is newer than 1. Update rmobench to read it.")
    for reads in (read, lambda p: statuses(p.parent.parent)):
        with pytest.raises(FutureSchemaError, match=said):
            reads(path)


def test_a_missing_record_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"x\.json: no such file"):
        read(tmp_path / "x.json")


def test_an_unreadable_path_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "ab" / "abc.json").mkdir(parents=True)
    for reads in (load, statuses, lambda store: read(store / "ab" / "abc.json")):
        with pytest.raises(StoreError, match=r"abc\.json: Is a directory"):
            reads(tmp_path)


def test_a_message_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    record = factory.record(error="no file b\udcff", status=Status.failed)
    assert read(write(tmp_path, record)).error == "no file b\\udcff"


def test_a_corrupt_record_is_reported_to_resume_and_overwritten(tmp_path: Path) -> None:
    good, bad = (factory.record(factory.trial(seed=seed)) for seed in (0, 1))
    write(tmp_path, good)
    path = write(tmp_path, bad)
    path.write_bytes(b"{")
    held = statuses(tmp_path)
    assert (held.by_id, held.corrupt) == ({good.id: good.status}, (path,))
    write(tmp_path, bad)
    assert statuses(tmp_path).by_id == {r.id: r.status for r in (good, bad)}


def test_leftovers_of_killed_processes_are_ignored_and_swept_when_old(tmp_path: Path) -> None:
    record = factory.record()
    path = write(tmp_path, record)
    old, young = (path.with_name(f".{path.name}.{pid}-00.tmp") for pid in (1, 2))
    for leftover in (old, young):
        leftover.write_bytes(GOOD[:100])
    os.utime(old, (time.time() - 7200.0,) * 2)
    assert [r.id for r in records(tmp_path)] == [record.id]
    assert statuses(tmp_path).corrupt == ()
    write(tmp_path, record)
    assert (old.exists(), young.exists()) == (False, True)


def test_processes_that_write_the_same_records_do_not_clash(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=concurrent.write_all, args=(tmp_path, 3)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert statuses(tmp_path).corrupt == ()  # no reader ever sees a part
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert list(records(tmp_path)) == sorted(concurrent.shared_records(), key=lambda r: r.id)
    assert list(tmp_path.rglob("*.tmp")) == []


def test_of_two_records_of_a_trial_the_later_started_stays(tmp_path: Path) -> None:
    """A worker may write its record and die before it says so; what the driver then writes is older."""
    plan = factory.trial()
    early, late = (factory.record(plan, started_at=at) for at in (1.8e9, 1.9e9))
    write(tmp_path, late)
    assert read(write(tmp_path, early)) == late
    write(tmp_path, late).write_text("{")
    assert read(write(tmp_path, early)) == early, "what cannot be read gives way"
