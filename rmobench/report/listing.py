"""What is registered, as a table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

COLUMNS = (
    "name",
    "family",
    "constraint",
    "needs",
    "offers",
    "args",
    "defaults",
    "carrier",
    "here",
    "path",
    "summary",
    "source",
    "skip",
)
"""Shown in this order, where any row has something to show."""


def listing(rows: Sequence[Mapping[str, object]]) -> Table:
    """Lay rows out, one line each where they fit; a column without content is left out."""
    columns = [c for c in COLUMNS if any(row.get(c) for row in rows)]
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
