"""`rmobench tune`: search spaces -> a suite of winners."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rmobench.cli.options import check_writable
from rmobench.cli.records import load_planned
from rmobench.cli.sweep import sweep_with_bar, unfinished


def tune(
    suite: Annotated[str, typer.Argument(help="The suite on whose tasks to tune: a name, or a .toml file.")],
    optimizer: Annotated[
        list[str],
        typer.Option(
            help="Registered optimizer; in brackets, a value is held, and values (0.01,0.1) are tried; repeatable."
        ),
    ],
    points: Annotated[int, typer.Option(min=1, help="Settings per optimizer: scrambled Sobol points.")] = 16,
    seeds: Annotated[int, typer.Option(min=1, help="Tuning seeds; they are never reported.")] = 2,
    precision: Annotated[str | None, typer.Option(help="To tune at; default: each table's first.")] = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Worker processes.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Suite file to write; default: SUITE_tuned.toml or SUITE_PRECISION_tuned.toml.")
    ] = None,
    store: Annotated[Path, typer.Option("--store", help="Folder of tuning records.")] = Path("results/tuning"),
) -> None:
    """Tune optimizers on the tasks of a suite and write the winners as a suite; finished trials are not repeated.

    The suite has each optimizer twice: NAME_tuned with its winner on every task, NAME_tuned_once with one winner.
    """
    from rmobench.harness.suite import read_suite
    from rmobench.harness.tuning import at_one_precision, tunable, tuned_suite, tuning_plan
    from rmobench.statistics import winners
    from rmobench.store import prepare

    runs = at_one_precision(read_suite(suite).runs, precision)
    tuned = {what.label: what for what in map(tunable, optimizer)}
    path = out or Path("_".join(filter(None, (Path(suite).stem, precision, "tuned"))) + ".toml")
    check_writable(path, ".toml")
    prepare(store)
    plans = {name: tuning_plan(runs, what, n_points=points, n_seeds=seeds) for name, what in tuned.items()}
    todo = [planned for plan in plans.values() for planned in unfinished(plan, store, frozenset(), quiet=False)]
    sweep_with_bar(todo, store, jobs=jobs or os.cpu_count() or 1, in_process=False, quiet=False)
    chosen = {name: winners(load_planned(store, plan)) for name, plan in plans.items()}
    path.write_text(tuned_suite(runs, chosen, n_points=points, n_seeds=seeds), encoding="utf-8")
    print(f"wrote {path}: `rmobench run {path}` measures the winners on fresh seeds")
