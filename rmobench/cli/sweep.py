"""The trials of a plan, run with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rmobench.cli.console import console
from rmobench.types import Record, Status

if TYPE_CHECKING:
    from rmobench.harness.plan import Plan, Planned, Refusal


def unfinished(plan: Plan, store: Path, retry: frozenset[Status], *, quiet: bool) -> list[Planned]:
    """Leave out what the store already holds; a damaged record is run again."""
    from rmobench.store import statuses

    held = statuses(store)
    if held.corrupt and not quiet:
        typer.secho(f"{len(held.corrupt)} damaged records are run again, e.g. {held.corrupt[0]}", err=True, fg="yellow")
    done = {id_ for id_, status in held.by_id.items() if status not in retry}
    return [p for p in plan.trials if p.trial.id not in done]


def sweep_with_bar(
    todo: Sequence[Planned],
    store: Path,
    *,
    jobs: int | None,
    in_process: bool,
    quiet: bool,
    ray: dict[str, Any] | None = None,
) -> list[Refusal]:
    """Run with a progress bar; Ctrl-C keeps what is finished and says how to go on."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from rmobench.harness.sweep import sweep
    from rmobench.report.rate import Rate
    from rmobench.store import write

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    refused: list[Refusal] = []
    if ray is None:
        outcomes = sweep(todo, save=partial(write, store), jobs=jobs or 1, in_process=in_process)
    else:  # workers need not be in this folder
        from rmobench.harness.cluster import sweep_on_ray

        outcomes = sweep_on_ray(todo, save=partial(write, store.absolute()), jobs=jobs, **ray)
    bars = Progress(*columns, console=console(stderr=True), disable=quiet or not todo, speed_estimate_period=600)
    aside = nullcontext() if ray is None else redirect_stdout(sys.stderr)  # Ray's own messages
    try:
        with aside, bars as progress:
            bar = progress.add_task("", total=len(todo))
            for outcome in outcomes:
                if isinstance(outcome, Record):
                    said = f"{outcome.trial.label} on {outcome.trial.task_label}: {outcome.status}"
                else:
                    refused.append(outcome)
                    said = f"refused: {outcome.reason}"
                progress.update(bar, advance=1, description=said[:60])
    except KeyboardInterrupt:
        outcomes.close()
        typer.secho(f"interrupted; finished trials are in {store}. The same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    return refused
