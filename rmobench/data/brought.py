"""Data of the user's, named by `--data NAME=PATH`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rmobench.data import SOURCES
from rmobench.errors import InputError, UnknownNameError


def bring(named: Iterable[str]) -> tuple[str, ...]:
    """Say where data of the user's are, to this process and all that it starts; return their names.

    Args:
        named: `NAME=PATH` each, e.g. "h36m=/data/h36m"; PATH is what the source's own variable would name.

    Raises:
        InputError: One has another form, or two have one name.
        UnknownNameError: There is no such source.
        DataError: The path does not hold the data.
    """
    places: dict[str, Path] = {}
    for text in named:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise InputError(f"got --data {text}, expected NAME=PATH, e.g. --data h36m=/data/h36m.")
        if name in places:
            raise InputError(f"got --data {name}=... twice, expected one place for each name. Leave one out.")
        places[name] = Path(path).expanduser().absolute()
    for name, place in places.items():
        os.environ[_variable(name)] = str(place)
        SOURCES[name].fetch()
    return tuple(places)


def _variable(name: str) -> str:
    """Return the environment variable of a source that a user may bring."""
    if name not in SOURCES:
        raise UnknownNameError("data source", name, SOURCES)
    if (variable := SOURCES[name].variable) is None:
        yours = ", ".join(name for name, source in SOURCES.items() if source.variable is not None)
        raise InputError(
            f"got --data {name}=..., expected one of {yours}. {name} comes from: {SOURCES[name].carrier}; your own "
            "copy goes into the folder that RMOBENCH_DATA names."
        )
    return variable
