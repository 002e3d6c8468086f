"""Every combination of the page's filters that has records, and what the page shows of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rmobench.report.numbers import cost
from rmobench.report.page.figures import Json, banded, rounded, sheet_json
from rmobench.report.sheets import COUNTED, count, ended, sheets, title, upcasts
from rmobench.statistics import RULESETS, Leaderboard, chosen, ecdf_bands, leaderboard, profile_bands, rulesets
from rmobench.types import AXES

ALL = "all"
"""No filter."""

CURVES = 24
"""Optimizers of a board, from the first, whose curves the page holds."""

LISTED = 300
"""Tasks of a board, from the first, whose ERTs the page holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some records along one axis, and the filters that give them."""

    runs: pd.DataFrame
    axis: str
    filters: tuple[tuple[str, str, str], ...]  # (suite, family, ruleset); several can give the same records


def selections(runs: Mapping[str, pd.DataFrame]) -> list[Selection]:
    """Find the distinct selections; the precision is no part of them, as a leaderboard has them apart anyway.

    Args:
        runs: By suite, ALL being everything: one row per record.
    """
    found: dict[tuple[object, ...], tuple[pd.DataFrame, list[tuple[str, str, str]]]] = {}
    for suite, records in runs.items():
        for family, ruleset in _filters(records):
            left = chosen(
                records, family=None if family == ALL else family, ruleset=None if ruleset == ALL else ruleset
            )
            same = tuple(zip(left["id"], left["optimizer"], strict=True))
            found.setdefault(same, (left, []))[1].append((suite, family, ruleset))
    return [
        Selection(runs=left, axis=axis, filters=tuple(filters)) for left, filters in found.values() for axis in AXES
    ]


def _filters(runs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield every family and ruleset that go together."""
    ruleset = rulesets(runs)
    for family in (ALL, *sorted(runs["family"].unique())):
        mine = set(ruleset if family == ALL else ruleset[runs["family"] == family])
        yield from ((family, name) for name in (ALL, *RULESETS) if name == ALL or name in mine)


def board_of(selection: Selection) -> list[tuple[list[str], Json]]:
    """Return for each precision of a selection the filters' keys, and what the page shows.

    A key is suite|family|ruleset|precision|axis.
    """
    ecdfs = ecdf_bands(selection.runs, axis=selection.axis)
    found = []
    for board in leaderboard(selection.runs, axis=selection.axis):
        keys = ["|".join((*filters, board.precision, selection.axis)) for filters in selection.filters]
        first = [row.optimizer for row in board.rows[:CURVES]]
        curves = {"ecdf": ecdfs, "profile": profile_bands(board)}
        drawn = {name: banded(bands, board.precision, first) for name, bands in curves.items()}
        found.append((keys, _shown(board) | drawn))
    return found


def _shown(board: Leaderboard) -> dict[str, Any]:
    """Return the sheets that the terminal shows, and the numbers of the figures."""
    told = sheets(board, per_task=False)
    told = told[:-1] if board.endings else told  # the last one says how trials ended
    return {
        "title": title(board),
        "said": ", ".join(
            (
                f"{count(len(board.rows), 'optimizer')} on {count(len(board.tasks), 'task')}",
                board.precision,
                COUNTED[board.axis],
                count(board.n_records, "record"),
            )
        ),
        "notes": [*board.notes, *upcasts(board)],
        "baseline": board.baseline,
        "sheets": [sheet_json(sheet) for sheet in told],
        "ended": sheet_json(ended(board)) if board.endings else None,
        "spent": [
            [row.optimizer, *map(rounded, (row.step_s, row.state_bytes, row.peak_bytes, row.model_bytes))]
            for row in board.rows
        ],
        "tasks": list(board.tasks),
        "n_listed": LISTED,
        "erts": _erts(board),
    }


def _erts(board: Leaderboard) -> dict[str, list[str]]:
    """Return the texts of ERTs: by optimizer, in the order of the board's tasks; none where there was no trial."""
    found: dict[str, list[str]] = {}
    place = {task: i for i, task in enumerate(board.tasks[:LISTED])}
    for s in board.scores:
        if s.task in place:
            found.setdefault(s.optimizer, [""] * len(place))[place[s.task]] = cost(s.ert.value, s.axis)
    return found
