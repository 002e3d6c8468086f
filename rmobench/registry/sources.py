"""Whether the data of a task are on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from rmobench.registry.load import load
from rmobench.types import TaskSpec, Value

CATALOGUE = "rmobench.data:SOURCES"
"""Imported by name, and only for tasks that are made of data."""


def missing_data(spec: TaskSpec, args: Mapping[str, Value]) -> str | None:
    """Return the reason why a task cannot run: its data are not there.

    A name that is no source gives no reason: the task refuses it, as it would any other wrong argument.
    """
    if not spec.data:
        return None
    name = str(args["data"])
    source = load(CATALOGUE).get(name)
    if source is None or source.where() is not None:
        return None
    return f"no data {name!r} on this machine: `rmobench data fetch {name}` gets it or says how"
