"""`rmobench precision`: what each precision costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmobench.cli.console import console
from rmobench.cli.options import STORE, AxisOption, JsonOption, StoreOption
from rmobench.cli.plan import plan_of
from rmobench.cli.records import keep_newest, labelled, of_suite
from rmobench.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from rmobench.statistics import PrecisionBoard


def precision_(
    suite: Annotated[str | None, typer.Argument(help="Only this suite's trials.")] = None,
    family: Annotated[str | None, typer.Option(help="Only tasks of this family.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task: its name, or with all its arguments.")] = None,
    axis: AxisOption = "step",
    rung: Annotated[float | None, typer.Option(help="Rung to reach; default: each task's headline.")] = None,
    per_task: Annotated[bool, typer.Option("--per-task", help="Show every task too.")] = False,
    export: Annotated[Path | None, typer.Option(help="Folder for SUITE_robustness.md and its heat map.")] = None,
    json: JsonOption = False,
    store: StoreOption = STORE,
) -> None:
    """Say what each precision costs each optimizer: penalty, failures, floor, state, upcasts, breaking points."""
    from rmobench.report import json_text, terminal
    from rmobench.statistics import chosen, robustness
    from rmobench.store import load

    runs: DataFrame = load(store, trace=True)
    if suite is not None:
        plan = plan_of(suite)
        runs = of_suite(labelled(runs, plan), plan, suite)
    board = robustness(keep_newest(chosen(runs, family=family, task=task)), axis=axis, rung=rung)
    if export is not None:
        _export_precisions(board, export, f"{Path(suite or 'records').stem}_robustness")
    if json:
        print(json_text.robustness(board), end="")
    else:
        console().print(terminal.robustness(board, per_task=per_task))


def _export_precisions(board: PrecisionBoard, folder: Path, stem: str) -> None:
    from rmobench.claims.figures import write_png
    from rmobench.report import markdown
    from rmobench.report.heat_map import heat_map

    if folder.is_file():
        raise InputError(f"got --export {folder}, expected a folder.")
    figure = f"figures/{stem}.png"
    write_png(heat_map(board), folder / figure)
    page = folder / f"{stem}.md"
    page.write_text(markdown.robustness(board, figure=figure), encoding="utf-8")
    typer.secho(f"wrote {page} and {folder / figure}", err=True)
