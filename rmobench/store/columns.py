"""Records <-> an Arrow table, without loss: a column per scalar, list columns for hits and trace, JSON for the rest.

In the metric columns null means that the point does not have the metric, NaN that its value was not finite (None in a
record). Columns of metrics are made as they occur: trace_metric_gap, hit_metric_gap, spent_metric_gap, ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from rmobench.types import Point, Record

WORD = pa.dictionary(pa.int32(), pa.string())
"""Text that repeats from record to record."""

COUNTS = ("step", "n_loss", "n_grad", "n_hvp")
"""The whole numbers of a point."""

SCALARS: Mapping[str, tuple[pa.DataType, Callable[[Record], object]]] = {
    "schema": (pa.int32(), lambda r: r.schema),
    "id": (pa.string(), lambda r: r.id),
    "task": (WORD, lambda r: r.trial.task),
    "args": (WORD, lambda r: _json(r.trial.args)),
    "task_version": (pa.int64(), lambda r: r.trial.task_version),
    "family": (WORD, lambda r: r.family),
    "optimizer": (WORD, lambda r: r.trial.optimizer),
    "hyper": (WORD, lambda r: _json(r.trial.hyper)),
    "optimizer_version": (WORD, lambda r: _json(r.trial.optimizer_version)),
    "label": (WORD, lambda r: r.trial.label),
    "seed": (pa.int64(), lambda r: r.trial.seed),
    "device": (WORD, lambda r: r.trial.device),
    "precision": (WORD, lambda r: r.trial.precision),
    "budget_calls": (pa.int64(), lambda r: r.trial.budget.n_calls),
    "budget_s": (pa.float64(), lambda r: r.trial.budget.time_s),
    "threads": (pa.int64(), lambda r: r.trial.threads),
    "protocol": (pa.int64(), lambda r: r.trial.protocol),
    "weights_sha256": (WORD, lambda r: r.trial.weights_sha256),
    "target": (WORD, lambda r: _json(r.target)),
    "status": (WORD, lambda r: r.status.value),
    "error": (WORD, lambda r: r.error),
    "trace_sha256": (pa.string(), lambda r: r.trace_sha256),
    "setup_s": (pa.float64(), lambda r: r.setup_s),
    "compile_s": (pa.float64(), lambda r: r.compile_s),
    "judge_s": (pa.float64(), lambda r: r.judge_s),
    "n_params": (pa.int64(), lambda r: r.n_params),
    "model_bytes": (pa.int64(), lambda r: r.model_bytes),
    "state_bytes": (pa.int64(), lambda r: r.state_bytes),
    "peak_bytes": (pa.int64(), lambda r: r.peak_bytes),
    "upcast": (WORD, lambda r: r.upcast),
    "diagnostics": (WORD, lambda r: _json(r.diagnostics)),
    "environment": (WORD, lambda r: _json(r.environment)),
    "started_at": (pa.float64(), lambda r: r.started_at),
    **{f"spent_{name}": (pa.int64(), lambda r, n=name: r.spent and getattr(r.spent, n)) for name in COUNTS},  # type: ignore[misc]
    "spent_time_s": (pa.float64(), lambda r: r.spent and r.spent.time_s),
}

LATER = frozenset({"diagnostics"})
"""Columns that the first files do not have."""

LISTS: Mapping[str, pa.DataType] = {
    "hit_rung": pa.list_(pa.float64()),
    **{f"{group}_{name}": pa.list_(pa.int64()) for group in ("hit", "trace") for name in COUNTS},
    **{f"{group}_time_s": pa.list_(pa.float64()) for group in ("hit", "trace")},
}

METRICS: Mapping[str, pa.DataType] = {
    "spent_metric_": pa.float64(),
    "hit_metric_": pa.list_(pa.float64()),
    "trace_metric_": pa.list_(pa.float64()),
}
"""Prefixes of the columns of metrics."""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def to_table(records: Sequence[Record], *, trace: bool = True) -> pa.Table:
    """Lay records out in columns.

    Args:
        records: One row each, in this order.
        trace: With the trace columns.
    """
    columns = {name: pa.array(map(value, records), type_) for name, (type_, value) in SCALARS.items()}
    columns["hit_rung"] = pa.array([[h.rung for h in r.hits] for r in records], LISTS["hit_rung"])
    columns |= _points("hit", [[h.point for h in r.hits] for r in records])
    if trace:
        columns |= _points("trace", [r.trace for r in records])
    for name in _names(r.spent for r in records if r.spent):
        columns[f"spent_metric_{name}"] = pa.array([_metric(r.spent, name) for r in records], pa.float64())
    return pa.table(columns)


def _points(group: str, rows: Sequence[Sequence[Point]]) -> dict[str, pa.Array]:
    columns = {}
    for name in (*COUNTS, "time_s"):
        columns[f"{group}_{name}"] = pa.array(
            [[getattr(p, name) for p in row] for row in rows], LISTS[f"{group}_{name}"]
        )
    for name in _names(p for row in rows for p in row):
        lists = [[_metric(p, name) for p in row] if any(name in p.metrics for p in row) else None for row in rows]
        columns[f"{group}_metric_{name}"] = pa.array(lists, pa.list_(pa.float64()))
    return columns


def _names(points: Iterable[Point]) -> list[str]:
    return sorted({name for p in points for name in p.metrics})


def _metric(point: Point | None, name: str) -> float | None:
    """Return null for a metric that is not there, NaN for one that is not finite."""
    if point is None or name not in point.metrics:
        return None
    value = point.metrics[name]
    return value if value is not None and math.isfinite(value) else math.nan


def to_records(table: pa.Table) -> Iterator[Record]:
    """Rebuild the records from a table with its trace columns, in the order of the rows."""
    names = {prefix: _suffixes(table, prefix) for prefix in METRICS}
    for batch in table.to_batches(max_chunksize=500):
        for row in batch.to_pylist():
            yield msgspec.convert(_builtins(row, names), type=Record)


def _suffixes(table: pa.Table, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in table.column_names if name.startswith(prefix)]


def _builtins(row: dict[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    """Nest a row as the record's JSON nests it."""
    same = ("schema", "id", "family", "status", "error", "trace_sha256", "setup_s", "compile_s", "judge_s", "n_params")
    more = ("model_bytes", "state_bytes", "peak_bytes", "upcast", "started_at")
    points = _listed("hit", row, names)
    return {
        **{name: row[name] for name in (*same, *more)},
        "trial": _trial(row),
        "target": msgspec.json.decode(row["target"]),
        "environment": msgspec.json.decode(row["environment"]),
        "hits": [{"rung": rung, "point": p} for rung, p in zip(row["hit_rung"], points, strict=True)],
        "trace": _listed("trace", row, names),
        "spent": _spent(row, names["spent_metric_"]),
        "diagnostics": msgspec.json.decode(row.get("diagnostics") or "{}"),
    }


def _trial(row: dict[str, Any]) -> dict[str, Any]:
    same = ("task", "task_version", "optimizer", "seed", "device", "precision", "threads", "protocol", "label")
    return {
        **{name: row[name] for name in (*same, "weights_sha256")},
        **{name: msgspec.json.decode(row[name]) for name in ("args", "hyper", "optimizer_version")},
        "budget": {"n_calls": row["budget_calls"], "time_s": row["budget_s"]},
    }


def _spent(row: dict[str, Any], names: list[str]) -> dict[str, Any] | None:
    if row["spent_step"] is None:
        return None
    metrics = {name: value for name in names if (value := row[f"spent_metric_{name}"]) is not None}
    return _point(tuple(row[f"spent_{name}"] for name in (*COUNTS, "time_s")), metrics)


def _listed(group: str, row: dict[str, Any], names: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    numbers = zip(*(row[f"{group}_{name}"] for name in (*COUNTS, "time_s")), strict=True)
    told = {name: values for name in names[f"{group}_metric_"] if (values := row[f"{group}_metric_{name}"])}
    return [
        _point(of_point, {name: values[i] for name, values in told.items() if values[i] is not None})
        for i, of_point in enumerate(numbers)
    ]


def _point(numbers: tuple[Any, ...], metrics: dict[str, float]) -> dict[str, Any]:
    finite = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    return dict(zip((*COUNTS, "time_s"), numbers, strict=True)) | {"metrics": finite}
