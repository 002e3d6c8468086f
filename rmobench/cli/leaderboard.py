"""`rmobench leaderboard`: records -> ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rmobench.cli.console import console
from rmobench.cli.options import STORE, AxisOption, JsonOption, StoreOption
from rmobench.cli.plan import plan_of
from rmobench.cli.records import keep_newest, labelled, of_suite
from rmobench.types import Skip

if TYPE_CHECKING:
    from pandas import DataFrame


def leaderboard_(
    suite: Annotated[str | None, typer.Argument(help="Only this suite's trials, and what it skips.")] = None,
    family: Annotated[str | None, typer.Option(help="Only tasks of this family.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task: its name, or with all its arguments.")] = None,
    precision: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    ruleset: Annotated[str | None, typer.Option(help="Only these: defaults, tuned, settings.")] = None,
    axis: AxisOption = "n_grad",
    rung: Annotated[float | None, typer.Option(help="Rung to rank at; default: each task's headline.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Optimizer that the others are tested against.")] = None,
    per_task: Annotated[bool, typer.Option("--per-task", help="Show every task's ERTs too.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    json: JsonOption = False,
    store: StoreOption = STORE,
) -> None:
    """Rank the optimizers from the records."""
    from rmobench.statistics import chosen
    from rmobench.store import load

    runs: DataFrame = load(store)
    skips: tuple[Skip, ...] = ()
    if suite is not None:
        plan = plan_of(suite, precision=precision)
        runs, skips = of_suite(labelled(runs, plan), plan, suite), plan.skips
    runs = keep_newest(chosen(runs, family=family, task=task, precision=precision, ruleset=ruleset))
    show_board(runs, skips, axis=axis, rung=rung, baseline=baseline, json=json, as_markdown=markdown, per_task=per_task)


def show_board(
    runs: DataFrame,
    skips: Sequence[Skip],
    *,
    axis: str,
    rung: float | None = None,
    baseline: str | None = None,
    json: bool = False,
    as_markdown: bool = False,
    per_task: bool = False,
) -> None:
    """Rank the runs and print the board: JSON, Markdown or the terminal's tables."""
    from rmobench.report import json_text, markdown, terminal
    from rmobench.statistics import leaderboard

    boards = leaderboard(runs, axis=axis, rung=rung, baseline=baseline)
    if json:
        print(json_text.leaderboard(boards, skips))
    elif as_markdown:
        print(markdown.leaderboard(boards, skips))
    else:
        console().print(terminal.leaderboard(boards, skips, per_task=per_task))
