"""A suite: what to run, as a TOML file that is read strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from rmobench.errors import InputError, SuiteError, UnknownNameError
from rmobench.harness.plan import Plan, join, plan
from rmobench.registry import ChosenOptimizer, ChosenTask, choose_optimizers, choose_tasks, sources_read, tasks
from rmobench.types import PRECISIONS

PACKAGED = Path(__file__).parent.parent / "_suites"


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of a suite: every optimizer on every task at every precision."""

    tasks: tuple[str, ...]
    optimizers: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp64",)
    seeds: int = 3
    n_calls: int | None = None
    time_s: float | None = None


class SuiteFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    description: str
    runs: tuple[Sweep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite under its name."""

    name: str
    path: Path
    description: str
    runs: tuple[Sweep, ...]


def expand(
    runs: Sequence[Sweep],
    *,
    device: Literal["cpu", "cuda"] = "cpu",
    threads: int = 1,
    optimizers: Sequence[ChosenOptimizer] | None = None,
    seeds: Sequence[int] | None = None,
    brought: Sequence[str] = (),
) -> Plan:
    """Resolve the selectors of the tables and plan them one after the other.

    Args:
        runs: The tables.
        device: Where the trials run.
        threads: Of the CPU backend, per trial.
        optimizers: Instead of the tables' own.
        seeds: Instead of the tables' own.
        brought: Sources of data that the user brings, see `choose_tasks`.

    Raises:
        InputError: A number or a list of a table makes no sense, or nothing reads what is brought.
    """
    for run in runs:
        check(run)
    of_runs = [[task for text in run.tasks for task in choose_tasks(text, brought=brought)] for run in runs]
    _check_brought(brought, [task for chosen in of_runs for task in chosen])
    return join(
        plan(
            chosen,
            _chosen(run) if optimizers is None else optimizers,
            seeds=range(run.seeds) if seeds is None else seeds,
            precisions=run.precisions,
            device=device,
            n_calls=run.n_calls,
            time_s=run.time_s,
            threads=threads,
        )
        for run, chosen in zip(runs, of_runs, strict=True)
    )


def _check_brought(brought: Sequence[str], chosen: Sequence[ChosenTask]) -> None:
    """Raise InputError for data that nobody reads: trials on other data would pass for trials on them."""
    for name in brought:
        if not any(name in sources_read(task.spec, task.args) for task in chosen):
            others = ", ".join(spec.name for spec in tasks().values() if name in spec.brought)
            raise InputError(
                f"got data {name!r}, and none of the tasks reads them, e.g. {chosen[0].label}. Say data={name} in a "
                f"task's arguments, or leave `data` open in one of: {others}."
            )


def _chosen(run: Sweep) -> list[ChosenOptimizer]:
    return [optimizer for text in run.optimizers for optimizer in choose_optimizers(text)]


def suites() -> dict[str, Path]:
    """Return the named suites: those of ./suites first, then the packaged ones."""
    here = {p.stem: p for p in sorted(Path("suites").glob("*.toml"))}
    beside = {p.stem: p for p in sorted((PACKAGED.parent.parent / "suites").glob("*.toml"))}
    packaged = {p.stem: p for p in sorted(PACKAGED.glob("*.toml"))}
    return packaged | beside | here


def read_suite(name: str) -> Suite:
    """Read a suite by its name, or by the path of a .toml file.

    Raises:
        UnknownNameError: No suite of that name.
        SuiteError: The file is not TOML or not a suite.
    """
    known = suites()
    path = Path(name) if name.endswith(".toml") else known.get(name)
    if path is None:
        raise UnknownNameError("suite", name, known)
    try:
        read = msgspec.toml.decode(path.read_bytes(), type=SuiteFile)
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise SuiteError(
            f"{path}: {error}. A suite has `description` and `[[runs]]` with tasks and optimizers."
        ) from None
    return Suite(name=path.stem, path=path, description=read.description, runs=_checked(path, read.runs))


def _checked(path: Path, runs: tuple[Sweep, ...]) -> tuple[Sweep, ...]:
    if not runs:
        raise SuiteError(f"{path}: got no [[runs]], expected at least one.")
    for run in runs:
        try:
            check(run)
        except InputError as error:
            raise SuiteError(f"{path}: {error}") from None
    return runs


def check(run: Sweep) -> None:
    """Raise InputError for an empty list, a number out of range, or a precision that does not exist."""
    for name in ("tasks", "optimizers", "precisions"):
        if not getattr(run, name):
            raise InputError(f"got no {name}, expected at least one.")
    for name, most in (("seeds", 10**6), ("n_calls", 10**12), ("time_s", 10**9)):
        value = getattr(run, name)
        if value is not None and not 0 < value <= most:
            raise InputError(f"got {name} = {value}, expected a positive number of at most {most}.")
    check_precisions(run.precisions)


def check_precisions(precisions: tuple[str, ...]) -> None:
    """Raise UnknownNameError for a precision that does not exist."""
    for precision in precisions:
        if precision not in PRECISIONS:
            raise UnknownNameError("precision", precision, PRECISIONS)
