"""Whether the data of a task are on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from rmobench.registry.load import load
from rmobench.types import TaskSpec, Value

CATALOGUE = "rmobench.data:SOURCES"
"""Imported by name, and only for tasks that are made of data."""


def sources_read(spec: TaskSpec, args: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the names of the sources that a task reads with these arguments."""
    return tuple(str(args[key]) for key in ("data", "model") if key in args) if spec.data else ()


def missing_data(spec: TaskSpec, args: Mapping[str, Value]) -> str | None:
    """Return the reason why a task cannot run: its data are not there.

    A name that is no source gives no reason: the task refuses it, as it would any other wrong argument.
    """
    if not (names := sources_read(spec, args)):
        return None
    catalogue = load(CATALOGUE)
    for name in names:
        source = catalogue.get(name)
        if source is not None and source.where() is None:
            return f"no data {name!r} on this machine: `rmobench data fetch {name}` gets it or says how"
    return None
