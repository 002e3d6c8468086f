"""`rmobench list`: what is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from rmobench.cli.console import console
from rmobench.cli.options import JsonOption
from rmobench.errors import InputError
from rmobench.registry import optimizers, tasks, unavailable
from rmobench.types import OptimizerSpec, TaskSpec

Kind = Literal["tasks", "optimizers", "suites", "claims"]


def list_(kind: Kind, json: JsonOption = False) -> None:
    """Show what is registered: names, families, what they need or offer, sources. Imports none of it."""
    rows = _LISTINGS[kind]()
    if json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    from rmobench.report.listing import listing

    console().print(listing(rows))


def list_tasks() -> list[dict[str, Any]]:
    """Return a row per registered task; `skip` says why it cannot run here, or is None."""
    return [_listed(spec) for spec in tasks().values()]


def list_optimizers() -> list[dict[str, Any]]:
    """Return a row per registered optimizer; `skip` says why it cannot run here, or is None."""
    return [_listed(spec) for spec in optimizers().values()]


def _listed(spec: TaskSpec | OptimizerSpec) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(spec)
    if isinstance(spec, OptimizerSpec):
        said["search"] = {
            name: {"scale": type(r).__name__.lower()} | said["search"][name] for name, r in spec.search.items()
        }
    return said | {"skip": unavailable(spec)}


def _list_suites() -> list[dict[str, Any]]:
    from rmobench.harness.suite import read_suite, suites

    def row(name: str, path: Path) -> dict[str, Any]:
        try:
            return {"name": name, "path": str(path), "summary": read_suite(str(path)).description, "skip": None}
        except InputError as error:
            return {"name": name, "path": str(path), "summary": "", "skip": str(error)}

    return [row(name, path) for name, path in suites().items()]


def _list_claims() -> list[dict[str, Any]]:
    from rmobench.claims import choose_claims
    from rmobench.report.claims import listing

    return [dict(row) for row in listing(choose_claims())]


_LISTINGS = {
    "tasks": list_tasks,
    "optimizers": list_optimizers,
    "suites": _list_suites,
    "claims": _list_claims,
}
