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
    catalogue = load(CATALOGUE)
    for name in (str(args[key]) for key in ("data", "model") if key in args):
        source = catalogue.get(name)
        if source is not None and source.where() is None:
            return f"no data {name!r} on this machine: `rmobench data fetch {name}` gets it or says how"
    return None
