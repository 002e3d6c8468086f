"""A table of records <-> a Parquet file: compressed, checksummed, with the schema's version in its metadata."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from rmobench.errors import CorruptRecordError, StoreError
from rmobench.store.columns import LATER, LISTS, METRICS, SCALARS
from rmobench.store.record_files import check_schema, unfinished_name
from rmobench.types import SCHEMA

VERSION = b"rmobench.schema"
"""Key of the schema's version in the file's metadata."""

ROWS_PER_GROUP = 20_000


def write_parquet(table: pa.Table, path: Path) -> Path:
    """Write a table of records, whole or not at all; text that repeats is stored once."""
    table = table.replace_schema_metadata({VERSION: str(SCHEMA)})
    unfinished = unfinished_name(path)
    try:
        with unfinished.open("xb") as file:
            pq.write_table(
                table,
                file,
                compression="zstd",
                compression_level=12,
                row_group_size=ROWS_PER_GROUP,
                use_dictionary=[f.name for f in table.schema if pa.types.is_dictionary(f.type)],
                column_encoding=_encodings(table.schema),
                write_page_checksum=True,
                write_statistics=False,
            )
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return path


def _encodings(schema: pa.Schema) -> dict[str, str]:
    """Choose per leaf: differences for counts, which grow; bytes sorted by significance for real numbers."""
    leaves = {f.name: f.type for f in schema if not pa.types.is_list(f.type)}
    leaves |= {f"{f.name}.list.element": f.type.value_type for f in schema if pa.types.is_list(f.type)}
    chosen = {pa.int64(): "DELTA_BINARY_PACKED", pa.float64(): "BYTE_STREAM_SPLIT"}
    return {path: chosen[type_] for path, type_ in leaves.items() if type_ in chosen}


def read_parquet(path: Path, columns: list[str] | None = None, *, trace: bool = True) -> pa.Table:
    """Read a table of records.

    Args:
        path: The file.
        columns: Only these; default: all.
        trace: With the trace columns, if no columns are named.

    Raises:
        FileNotFoundError: It is gone.
        CorruptRecordError: It is damaged, or not a file of records.
        FutureSchemaError: A newer rmobench wrote it.
    """
    with corrupt_if_unreadable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        check_schema(int((schema.metadata or {})[VERSION]), path)
        _check_columns(schema)
        if columns is None and not trace:
            columns = [name for name in schema.names if not is_trace(name)]
        table = file.read(columns=columns).replace_schema_metadata(None)
        table.validate(full=True)  # a damaged file can point outside its own dictionaries
        return table


def is_trace(column: str) -> bool:
    """Say whether a column belongs to the trace's points."""
    return column.startswith("trace_") and column != "trace_sha256"


@contextmanager
def corrupt_if_unreadable(path: Path) -> Iterator[None]:
    """Turn what a damaged file makes Arrow or msgspec raise into CorruptRecordError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise StoreError(f"{path}: {error.strerror}.") from error
    except KeyError as error:
        raise CorruptRecordError(
            f"{path}: not a Parquet file of records: it has no {error}. {_repair(path)}"
        ) from error
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, msgspec.MsgspecError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptRecordError(f"{path}: not a Parquet file of records: {first}. {_repair(path)}") from error


def _check_columns(schema: pa.Schema) -> None:
    expected = {
        name: type_ for name, (type_, _) in SCALARS.items() if name in schema.names or name not in LATER
    } | dict(LISTS)
    for name, type_ in expected.items():
        if not schema.field(name).type.equals(type_):
            raise TypeError(f"column {name} is {schema.field(name).type}, expected {type_}")
    for field in schema:
        for prefix, type_ in METRICS.items():
            if field.name.startswith(prefix) and not field.type.equals(type_):
                raise TypeError(f"column {field.name} is {field.type}, expected {type_}")


def _repair(path: Path) -> str:
    if not path.is_file():
        return "Put back a good copy of its Parquet files."
    return f"Put back a good copy, or `rm {path}` and let the same `rmobench run` measure it again."
