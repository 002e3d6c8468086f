"""Leaderboards and precisions as GitHub Markdown: the same records give the same text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rmobench.report import robustness as precisions
from rmobench.report.sheets import Sheet, footnote, sheets, skipped, title, upcasts
from rmobench.statistics import Leaderboard, PrecisionBoard
from rmobench.types import Skip


def leaderboard(boards: Sequence[Leaderboard], skips: Sequence[Skip] = (), *, per_task: bool = True) -> str:
    """Write the whole of SUITE.md.

    Args:
        boards: One per precision.
        skips: Pairs that cannot run.
        per_task: Show each task's ERTs too, where there are several tasks.
    """
    blocks = ["# Leaderboard"]
    for board in boards:
        blocks += _board(board, per_task=per_task)
    if skips:
        blocks.append(_table(skipped(skips), level=2))
    return "\n\n".join(blocks) + "\n"


def robustness(board: PrecisionBoard, *, figure: str | None = None) -> str:
    """Write the page about precisions, every task included.

    Args:
        board: As `statistics.robustness` gives it.
        figure: Address of the heat map, relative to the page.
    """
    warnings = [f"> {_plain(note)}" for note in precisions.upcasts(board)]
    blocks = [
        "# Precision",
        _plain(precisions.title(board)),
        *([f"![penalty by optimizer and precision]({figure})"] if figure is not None else []),
        *(["\n>\n".join(warnings)] if warnings else []),
        *(_table(sheet, level=2) for sheet in precisions.sheets(board)),
        "\n".join(f"- {_plain(line)}" for line in precisions.footnote()),
    ]
    return "\n\n".join(blocks) + "\n"


def _board(board: Leaderboard, *, per_task: bool) -> list[str]:
    warnings = [f"> {_plain(note)}" for note in (*board.notes, *upcasts(board))]
    return [
        f"## {_plain(title(board))}",
        *(["\n>\n".join(warnings)] if warnings else []),
        *(_table(sheet, level=3) for sheet in sheets(board, per_task=per_task)),
        "\n".join(f"- {_plain(line)}" for line in footnote(board)),
    ]


def _table(sheet: Sheet, *, level: int) -> str:
    """Write a heading and a table; words flush left, figures flush right."""
    rule = ["---" if i < sheet.n_words else "---:" for i in range(len(sheet.head))]
    lines = (_line(list(map(_plain, row))) for row in sheet.rows)
    return "\n".join(
        (f"{'#' * level} {_plain(sheet.title)}", "", _line(list(map(_plain, sheet.head))), _line(rule), *lines)
    )


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Keep text from being read as markup; underscores inside words are none on GitHub."""
    return re.sub(r"([\\`*{}<>|#])", r"\\\1", text).replace("\n", " ")
