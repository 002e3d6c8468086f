"""Records as a pandas table: one row per trial, in the order of the ids."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rmobench.store.merging import newest_table
from rmobench.store.parquet import corrupt_if_unreadable
from rmobench.types import Environment, Target, selector


def load(store: Path | str, ids: Collection[str] | None = None, trace: bool = False) -> pd.DataFrame:
    """Load records as a table; its columns are described in this room's README.

    Args:
        store: Folder of records, or a Parquet file.
        ids: Only these trials.
        trace: With the columns of the trace, which are large.

    Returns:
        One row per record, in the order of the ids. What is unknown is NaN.

    Raises:
        StoreError: The store does not exist, has no record, or one that cannot be read.
    """
    store = Path(store)
    table = newest_table(store, ids, trace=trace).combine_chunks()
    with corrupt_if_unreadable(store):
        target = _Repeated.read(table, "target", lambda text: msgspec.json.decode(text, type=Target))
        columns = _plan(table) | _judging(table, target) | _spending(table, target) | _setting(table)
        if trace:
            columns |= _trace(table, target)
        return pd.DataFrame(columns)


def _plan(table: pa.Table) -> dict[str, Any]:
    """Return what was to run, and how it ended."""
    name, label = _words(table["optimizer"]), _words(table["label"])
    return {
        "id": _words(table["id"]),
        "task": _task_labels(table),
        "task_name": _words(table["task"]),
        "task_version": _whole(table, "task_version"),
        "family": _words(table["family"]),
        "optimizer": label.where(label != "", name),
        "optimizer_name": name,
        "precision": _words(table["precision"]),
        "device": _words(table["device"]),
        "seed": _whole(table, "seed"),
        "status": _words(table["status"]),
        "error": _words(table["error"]),
    }


def _judging(table: pa.Table, target: _Repeated) -> dict[str, Any]:
    """Return the target and the budget."""
    return {
        "metric": target.words(lambda t: t.metric),
        "mode": target.words(lambda t: t.mode),
        "headline": target.floats(lambda t: t.headline),
        "rungs": target.objects(lambda t: list(t.rungs)),
        "budget_calls": _whole(table, "budget_calls"),
        "budget_s": _floats(table, "budget_s"),
    }


def _spending(table: pa.Table, target: _Repeated) -> dict[str, Any]:
    """Return what was spent, reached, and kept in memory."""
    calls = sum(_floats(table, f"spent_{kind}") for kind in CALLS)
    facts = ("setup_s", "compile_s", "judge_s", "n_params", "model_bytes", "state_bytes", "peak_bytes")
    return {
        "step": _floats(table, "spent_step"),
        "n_calls": calls,
        "time_s": _floats(table, "spent_time_s"),
        "final": _final(table, target),
        "residual": _floats(table, "spent_metric_residual"),
        "accuracy": _floats(table, "spent_metric_accuracy"),
        "hit_rung": _arrays(table, "hit_rung"),
        "hit_step": _arrays(table, "hit_step"),
        "hit_n_grad": _calls(table, "hit"),
        "hit_time_s": _arrays(table, "hit_time_s"),
        **{name: _floats(table, name) for name in facts},
    }


def _setting(table: pa.Table) -> dict[str, Any]:
    """Return where and when it was measured."""
    place = _Repeated.read(table, "environment", lambda text: msgspec.json.decode(text, type=Environment | None))
    return {
        "upcast": _words(table["upcast"]),
        "diagnostics": [msgspec.json.decode(text or "{}") for text in table["diagnostics"].to_pylist()],
        "machine": place.words(lambda e: e and e.machine),
        "env_device": place.words(lambda e: e and e.device),
        "threads": _whole(table, "threads"),
        "jobs": place.floats(lambda e: e and e.jobs),
        "torch": place.words(lambda e: e and e.torch),
        "python": place.words(lambda e: e and e.python),
        "driver": place.words(lambda e: e and e.driver),
        "commit": place.words(lambda e: e and e.commit),
        "commit_at": place.floats(lambda e: e and e.commit_at),
        "started_at": _floats(table, "started_at"),
    }


def _trace(table: pa.Table, target: _Repeated) -> dict[str, Any]:
    return {
        "trace_step": _arrays(table, "trace_step"),
        "trace_n_grad": _calls(table, "trace"),
        "trace_time_s": _arrays(table, "trace_time_s"),
        "trace_metric": _trace_metric(table, target),
        "trace_residual": _along_trace(table, "residual"),
        "trace_sha256": _words(table["trace_sha256"]),
    }


CALLS = ("n_loss", "n_grad", "n_hvp")
"""Every oracle call counts one."""


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A column whose few distinct values are decoded once: row i has values[codes[i]]."""

    values: list[Any]
    codes: NDArray[np.int64]

    @classmethod
    def read(cls, table: pa.Table, name: str, decode: Callable[[str], Any]) -> _Repeated:
        column = _chunk(table, name)
        return cls([decode(text) for text in column.dictionary.to_pylist()], column.indices.to_numpy())

    def objects(self, field: Callable[[Any], object]) -> list[Any]:
        found = [field(value) for value in self.values]
        return [found[code] for code in self.codes]

    def words(self, field: Callable[[Any], str | None]) -> pd.Series[Any]:
        found = pa.array([field(value) for value in self.values], pa.string())
        return _words(pa.chunked_array([found.take(pa.array(self.codes))]))

    def floats(self, field: Callable[[Any], float | None]) -> NDArray[np.float64]:
        return np.array([field(value) for value in self.values], np.float64)[self.codes]


def _chunk(table: pa.Table, name: str) -> pa.Array:
    """Return a column in one piece; an empty table has none."""
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _words(column: pa.ChunkedArray) -> pd.Series[Any]:
    found: pd.Series[Any] = column.cast(pa.string()).to_pandas()
    return found


def _whole(table: pa.Table, name: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = table[name].to_numpy()
    return found


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column as real numbers, NaN where it is null or where no record has it."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    found: NDArray[np.float64] = table[name].cast(pa.float64()).to_numpy()
    return found


def _task_labels(table: pa.Table) -> pd.Series[Any]:
    """Write each distinct pair of task and arguments once."""
    task, args = _chunk(table, "task"), _chunk(table, "args")
    names, params = task.dictionary.to_pylist(), [msgspec.json.decode(text) for text in args.dictionary.to_pylist()]
    pair = task.indices.to_numpy().astype(np.int64) * max(1, len(params)) + args.indices.to_numpy()
    distinct, codes = np.unique(pair, return_inverse=True)
    labels = [selector(names[p // len(params)], params[p % len(params)]) for p in distinct.tolist()]
    return _Repeated(labels, codes).words(lambda label: label)


def _final(table: pa.Table, target: _Repeated) -> NDArray[np.float64]:
    """Return the last judged value of each trial's own target metric [n]."""
    found = np.full(len(table), np.nan)
    for name, mine in _by_metric(target):
        found[mine] = _floats(table, f"spent_metric_{name}")[mine]
    return found


def _by_metric(target: _Repeated) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return each target metric with the rows whose target it is."""
    metric = np.array([t.metric for t in target.values], dtype=str)[target.codes]
    return [(str(name), metric == name) for name in np.unique(metric)]


def _arrays(table: pa.Table, name: str) -> pd.Series[Any]:
    """Split a list column into one array per row, views of one buffer."""
    column = _chunk(table, name)
    return _split(column, column.values.to_numpy(zero_copy_only=False))


def _calls(table: pa.Table, group: str) -> pd.Series[Any]:
    """Add up the oracle calls of each point, one array per row."""
    columns = [_chunk(table, f"{group}_{kind}") for kind in CALLS]
    return _split(columns[0], sum(column.flatten().to_numpy() for column in columns))


def _split(like: pa.Array, flat: Any) -> pd.Series[Any]:
    bounds = like.offsets.to_numpy().tolist()
    return pd.Series([flat[low:high] for low, high in pairwise(bounds)], dtype=object)


def _trace_metric(table: pa.Table, target: _Repeated) -> list[Any]:
    """Return each trial's own target metric along its trace."""
    found: list[Any] = [None] * len(table)
    for name, mine in _by_metric(target):
        told = _along_trace(table, name)
        for row in np.flatnonzero(mine):
            found[row] = told[row]
    return found


def _along_trace(table: pa.Table, metric: str) -> list[Any]:
    """Return a metric along each trace, NaN where it was not finite or the trial does not have it."""
    lengths = np.diff(_chunk(table, "trace_step").offsets.to_numpy())
    name = f"trace_metric_{metric}"
    told = _arrays(table, name) if name in table.column_names else [np.empty(0)] * len(table)
    return [
        values if len(values) == length else np.full(length, np.nan)
        for values, length in zip(told, lengths, strict=True)
    ]
