from __future__ import annotations

import multiprocessing
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmobench.errors import CorruptRecordError, FutureSchemaError, StoreError
from rmobench.store import compact, export_parquet, load, merge, records, statuses, write
from rmobench.types import Record, Status
from tests.store import concurrent, factory, strategies


def fill(store: Path, *seeds: int, **changes: object) -> list[Record]:
    made = [factory.record(factory.trial(seed=seed), n_points=8, **changes) for seed in seeds]
    for record in made:
        write(store, record)
    return by_id(made)


def by_id(made: list[Record]) -> list[Record]:
    return sorted(made, key=lambda r: r.id)


def contents(store: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}


@settings(max_examples=80, deadline=None)
@given(made=st.lists(strategies.records, min_size=1, max_size=4, unique_by=lambda r: r.id))
def test_parquet_gives_back_every_record_exactly(made: list[Record]) -> None:
    with TemporaryDirectory() as folder:
        store = Path(folder)
        for record in made:
            write(store, record)
        before = load(store, trace=True)
        compact(store)
        assert list(records(store)) == by_id(made)
        assert load(store, trace=True).equals(before)
        assert statuses(store).by_id == {r.id: r.status for r in made}


def test_compacting_leaves_one_parquet_file_and_doing_it_again_the_same(tmp_path: Path) -> None:
    made = fill(tmp_path, 0, 1)
    first = compact(tmp_path)
    made += fill(tmp_path, 2)
    second = compact(tmp_path)
    assert list(contents(tmp_path)) == [second] != [first]
    assert compact(tmp_path) == second
    assert list(records(tmp_path)) == by_id(made)


def test_a_crash_between_writing_and_removing_loses_and_doubles_nothing(tmp_path: Path) -> None:
    made = fill(tmp_path, 0, 1)
    shutil.copytree(tmp_path, tmp_path / "copy")
    shutil.move(compact(tmp_path / "copy"), tmp_path)
    shutil.rmtree(tmp_path / "copy")
    assert list(records(tmp_path)) == made
    assert len(load(tmp_path)) == 2


@pytest.mark.parametrize("compacted", [True, False])
def test_of_equal_ids_the_newest_counts(tmp_path: Path, compacted: bool) -> None:
    fill(tmp_path, 0, started_at=5.0, status=Status.oom)
    compact(tmp_path)
    (new,) = fill(tmp_path, 0, started_at=6.0, status=Status.solved)
    if compacted:
        compact(tmp_path)
    assert list(records(tmp_path)) == [new]
    assert statuses(tmp_path).by_id == {new.id: Status.solved}


def test_writing_while_others_compact_loses_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=concurrent.write_and_compact, args=(tmp_path, s)) for s in (0, 100)]
    for worker in workers:
        worker.start()
    seen = 0
    while any(worker.is_alive() for worker in workers):
        found = len(statuses(tmp_path).by_id)
        assert found >= seen
        seen = found
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    ids = {factory.trial(seed=seed + first).id for seed in range(30) for first in (0, 100)}
    assert {r.id for r in records(tmp_path)} == ids


def test_merging_is_the_union_with_the_newest_and_changes_nothing_twice(tmp_path: Path) -> None:
    target, a, b = (tmp_path / name for name in ("target", "a", "b"))
    fill(target, 0, 1, started_at=5.0)
    fill(a, 1, started_at=6.0)
    fill(a, 2, started_at=1.0)
    export_parquet(a, b)  # a single file is a store, too
    fill(a, 3, started_at=9.0)
    before = contents(a) | contents(b) | {b: b.read_bytes()}
    report = merge(target, [a, b])
    assert (report.n_added, report.n_replaced, report.n_total) == (2, 1, 4)
    assert {r.trial.seed: r.started_at for r in records(target)} == {0: 5.0, 1: 6.0, 2: 1.0, 3: 9.0}
    assert before == contents(a) | {b: b.read_bytes()}
    after = contents(target)
    assert str(merge(target, [a, b])) == f"{target}: 0 added, 0 replaced by newer ones, 4 records"
    assert contents(target) == after


def test_merging_makes_its_target(tmp_path: Path) -> None:
    made = fill(tmp_path / "a", 0, 1)
    assert merge(tmp_path / "new" / "store", [tmp_path / "a"]).n_added == 2
    assert list(records(tmp_path / "new" / "store")) == made


@pytest.mark.parametrize("into_file", [compact, lambda path: merge(path, [])])
def test_a_file_receives_no_records(tmp_path: Path, into_file: Callable[[Path], object]) -> None:
    fill(tmp_path / "a", 0)
    path = export_parquet(tmp_path / "a", tmp_path / "a.parquet")
    with pytest.raises(StoreError, match=r"a\.parquet: got a file, expected a store's folder"):
        into_file(path)


@pytest.mark.parametrize("reads", [load, compact, lambda store: list(records(store)), lambda s: merge(s / "t", [s])])
@pytest.mark.parametrize("exists", [True, False])
def test_a_store_without_records_says_how_to_fill_it(
    tmp_path: Path, exists: bool, reads: Callable[[Path], object]
) -> None:
    store = tmp_path if exists else tmp_path / "missing"
    said = re.escape(f"{store}: no records here. `rmobench run smoke --store {store}` makes some.")
    with pytest.raises(StoreError, match=said):
        reads(store)


def test_a_missing_store_holds_nothing_to_resume(tmp_path: Path) -> None:
    assert statuses(tmp_path / "missing").by_id == {}


def test_only_the_asked_ids_are_read(tmp_path: Path) -> None:
    made = fill(tmp_path, 0, 1)
    compact(tmp_path)
    made += fill(tmp_path, 2, 3)
    wanted = {made[0].id, made[2].id, "f" * 64}
    assert {r.id for r in records(tmp_path, wanted)} == wanted - {"f" * 64}
    assert set(load(tmp_path, ids=wanted)["id"]) == wanted - {"f" * 64}
    path = export_parquet(tmp_path, tmp_path / "out" / "some.parquet", ids=wanted)
    assert [r.id for r in records(path)] == [r.id for r in records(tmp_path, wanted)]
    assert len(load(tmp_path, ids=[])) == 0


def test_any_parquet_reader_understands_the_file(tmp_path: Path) -> None:
    (made,) = fill(tmp_path, 0)
    row = pq.read_table(compact(tmp_path)).to_pylist()[0]
    assert (row["task"], row["optimizer"], row["status"]) == ("rosenbrock", "adam", made.status.value)
    assert row["trace_metric_gap"] == [p.metrics["gap"] for p in made.trace]
    assert row["hit_rung"] == [h.rung for h in made.hits]


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A Parquet file of three records, and its content."""
    store = tmp_path_factory.mktemp("store")
    fill(store, 0, 1, 2)
    path = compact(store)
    return path, path.read_bytes()


READS = [lambda s: list(records(s)), lambda s: load(s, trace=True), statuses]


@settings(max_examples=100, deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_truncated_parquet_file_is_corrupt(segment: tuple[Path, bytes], share: float) -> None:
    path, content = segment
    path.write_bytes(content[: int(share * len(content))])
    for reads in READS:
        with pytest.raises(CorruptRecordError, match=re.escape(f"{path}: not a Parquet file of records")):
            reads(path)


@settings(max_examples=200, deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_parquet_file_is_reported_or_harmless(
    segment: tuple[Path, bytes], share: float, bit: int
) -> None:
    path, content = segment
    where = int(share * len(content))
    path.write_bytes(content[:where] + bytes([content[where] ^ 1 << bit]) + content[where + 1 :])
    for reads in READS:
        try:
            reads(path)
        except StoreError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    ("version", "kind", "why"),
    [
        (None, CorruptRecordError, "it has no b'rmobench.schema'"),
        (b"one", CorruptRecordError, "invalid literal"),
        (b"0", CorruptRecordError, "schema 0 does not exist"),
        (b"3", FutureSchemaError, r"schema 3 is newer than 1\. Update rmobench to read it\."),
        (b"1", CorruptRecordError, "it has no .*schema"),
    ],
)
def test_a_foreign_parquet_file_is_refused(tmp_path: Path, version: bytes | None, kind: type, why: str) -> None:
    table = pa.table({"id": ["a"]}).replace_schema_metadata({"rmobench.schema": version} if version else None)
    pq.write_table(table, tmp_path / "x.parquet")
    for reads in READS:
        with pytest.raises(kind, match=why):
            reads(tmp_path / "x.parquet")


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    path = compact(tmp_path)
    table = pq.read_table(path)
    column = table.schema.get_field_index("seed")
    pq.write_table(table.set_column(column, "seed", pa.array(["0"])), path)
    with pytest.raises(CorruptRecordError, match="column seed is string, expected int64"):
        load(path)


def test_an_impossible_count_is_reported(tmp_path: Path) -> None:
    record = factory.record(n_points=2)
    write(tmp_path, replace(record, n_params=2**70))
    with pytest.raises(CorruptRecordError, match=record.id[:12]):
        load(tmp_path)
