"""Commands about whole stores: `rmobench compare`, `publish`, `merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmobench.cli.console import console
from rmobench.cli.options import STORE, JsonOption, StoreOption
from rmobench.cli.records import keep_newest


def compare(store_a: Path, store_b: Path, json: JsonOption = False) -> None:
    """Compare two stores, the older first; exit with 1 when something got worse."""
    from rmobench import statistics
    from rmobench.report import json_text, terminal
    from rmobench.store import load

    runs_a, runs_b = keep_newest(load(store_a)), keep_newest(load(store_b))
    changes = statistics.compare(runs_a, runs_b)
    print(json_text.comparison(changes)) if json else console().print(terminal.comparison(changes))
    if (alone := statistics.unpaired(runs_a, runs_b)) and not json:
        typer.secho(f"{alone} of {len(runs_a)} trials of A have no partner in B and were not compared", fg="yellow")
    if any(change.gates for change in changes):
        raise typer.Exit(1)


def publish_(
    store: StoreOption = STORE, root: Annotated[Path, typer.Option(help="Folder of asv.conf.json.")] = Path()
) -> None:
    """Import records into asv's results, a sample per seed; `asv publish` then draws the curves."""
    from rmobench.report.asv import publish
    from rmobench.store import load

    print(publish(load(store), root=root))


def merge_(
    stores: Annotated[list[Path], typer.Argument(help="Stores to read; they are left as they are.")],
    into: Annotated[Path, typer.Option(help="Store that receives them.")] = STORE,
    parquet: Annotated[bool, typer.Option("--parquet", help="Then compact the target into one Parquet file.")] = False,
) -> None:
    """Join stores; of equal trials the newest record stays."""
    from rmobench.store import compact, merge

    print(merge(into, stores))
    if parquet:
        print(f"compacted into {compact(into)}")
