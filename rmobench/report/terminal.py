"""Leaderboards and comparisons on a terminal, readable from 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rmobench.report import robustness as precisions
from rmobench.report.changes import change_sheet, summary
from rmobench.report.sheets import Sheet, footnote, sheets, skipped, title, upcasts
from rmobench.statistics import Change, Leaderboard, PrecisionBoard
from rmobench.types import Skip

FIGURES_ABREAST = 5
"""Optimizers side by side in the table of ERTs by task."""

ROWS_SHOWN = 40
"""Rows of the skips and of the comparison before the rest is only counted."""

WORDS_MIN = 14
"""Characters below which a column of words is not folded."""


def leaderboard(boards: Sequence[Leaderboard], skips: Sequence[Skip] = (), *, per_task: bool = False) -> RenderableType:
    """Render one or several boards, then the pairs that did not run.

    Args:
        boards: One per precision.
        skips: Pairs that cannot run.
        per_task: Show each task's ERTs too, where there are several tasks.
    """
    parts: list[RenderableType] = []
    for board in boards:
        parts += [_board(board, per_task=per_task), Text()]
    if skips:
        parts.append(_cut(skipped(skips)))
    return Group(*parts)


def comparison(changes: Sequence[Change]) -> RenderableType:
    """Render the entries that changed and a line that sums up."""
    sheet = change_sheet(changes)
    return Group(*([_cut(sheet)] if sheet.rows else []), Text(summary(changes), style="bold"))


def robustness(board: PrecisionBoard, *, per_task: bool = False) -> RenderableType:
    """Render what each precision costs.

    Args:
        board: As `statistics.robustness` gives it.
        per_task: Show each task too, where there are several.
    """
    tables = map(_table, precisions.sheets(board, per_task=per_task))
    warnings = [Text(f"! {note}", style="yellow") for note in precisions.upcasts(board)]
    notes = [Text(line, style="dim") for line in precisions.footnote()]
    return Group(Text(precisions.title(board), style="bold"), *tables, *warnings, *notes)


def _board(board: Leaderboard, *, per_task: bool) -> RenderableType:
    tables = [_table(part) for sheet in sheets(board, per_task=per_task) for part in _abreast(sheet)]
    warnings = [Text(f"! {note}", style="yellow") for note in (*board.notes, *upcasts(board))]
    notes = [Text(line, style="dim") for line in footnote(board)]
    return Group(Text(title(board), style="bold"), *tables, *warnings, *notes)


def _abreast(sheet: Sheet) -> Iterator[Sheet]:
    """Split the table of ERTs by task where it is too wide; other tables fit."""
    if sheet.head[0] != "task":
        yield sheet
        return
    for left in range(1, len(sheet.head), FIGURES_ABREAST):
        part = slice(left, left + FIGURES_ABREAST)
        rows = tuple((row[0], *row[part]) for row in sheet.rows)
        yield replace(sheet, head=(sheet.head[0], *sheet.head[part]), rows=rows)


def _cut(sheet: Sheet) -> RenderableType:
    """Show the first ROWS_SHOWN rows and count the rest."""
    rest = len(sheet.rows) - ROWS_SHOWN
    table = _table(replace(sheet, rows=sheet.rows[:ROWS_SHOWN]))
    return Group(table, Text(f"and {rest} more; --json lists all", style="dim")) if rest > 0 else table


def _table(sheet: Sheet) -> Table:
    """Lay a sheet out: words fold, figures stay whole and flush right."""
    table = Table(
        title=Text(sheet.title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0)
    )
    for i, name in enumerate(sheet.head):
        longest = max((len(row[i]) for row in sheet.rows), default=0)
        if i < sheet.n_words:
            table.add_column(Text(name), overflow="fold", min_width=min(longest, WORDS_MIN))
        else:
            table.add_column(Text(name), overflow="fold", min_width=longest, justify="right")
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table
