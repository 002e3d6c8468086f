"""Curves and maps as JSON of few digits; NaN and infinity are null."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.report.numbers import UNKNOWN, number
from rmobench.report.robustness import bound, failures, footnote, sheets, title, upcasts
from rmobench.report.sheets import Sheet
from rmobench.statistics import PATHOLOGIES, Band, Ill, PrecisionBoard, courses
from rmobench.statistics.robustness import WIDEST_FIRST
from rmobench.types import AXES, PRECISIONS

Json = dict[str, Any]

PER_MILLE = 1000
"""Shares are whole numbers of a thousandth."""

POINTS = (6, 24)
"""Points of a course, at least and at most."""

NUMBERS = 600_000
"""Numbers that the courses may take together, some 5 MB: with more cells they get fewer points, then one axis."""


def sheet_json(sheet: Sheet) -> Json:
    """Return a sheet as the page's script takes it."""
    return {"title": sheet.title, "head": sheet.head, "rows": sheet.rows, "words": sheet.n_words}


def rounded(x: float) -> float | None:
    """Keep three digits; what JSON does not have is None."""
    return float(f"{x:.3g}") if math.isfinite(x) else None


def banded(bands: Iterable[Band], precision: str, optimizers: Sequence[str]) -> Json:
    """Return the curves of some optimizers in their order: the grid once, shares per mille."""
    mine = {band.optimizer: band for band in bands if band.precision == precision}
    drawn = [mine[name] for name in optimizers if name in mine]
    return {
        "x": [rounded(x) for x in drawn[0].x] if drawn else [],
        "curves": [[b.optimizer, *(_per_mille(y) for y in (b.share, b.low, b.high))] for b in drawn],
    }


def _per_mille(share: NDArray[np.float64]) -> list[int]:
    found: list[int] = np.rint(share * PER_MILLE).astype(int).tolist()
    return found


def traced(runs: pd.DataFrame) -> Json:
    """Return the courses: axis -> precision -> task -> {metric, log, by optimizer [cost, median, low, high]}."""
    cells = len(runs[["precision", "task", "optimizer"]].drop_duplicates())
    axes = AXES if 4 * POINTS[0] * cells * len(AXES) <= NUMBERS else ("n_grad",)
    points = min(POINTS[1], max(POINTS[0], NUMBERS // (4 * cells * len(axes))))
    return {axis: _along(runs, axis, points) for axis in axes}


def _along(runs: pd.DataFrame, axis: str, points: int) -> Json:
    found: Json = {}
    for course in courses(runs, axis=axis, points=points):
        task = found.setdefault(course.precision, {}).setdefault(course.task, {"metric": course.metric, "by": {}})
        lines = (course.cost, course.median, course.low, course.high)
        task["by"][course.optimizer] = [[rounded(x) for x in line] for line in lines]
    return found


def heat_map(board: PrecisionBoard) -> Json:
    """Return the map of penalties, its text, and the sheets that the terminal shows."""
    optimizers = list(dict.fromkeys(row.optimizer for row in board.overall))
    precisions = sorted({row.precision for row in board.overall}, key=WIDEST_FIRST.index)
    cells = {(row.optimizer, row.precision): row for row in board.overall}
    rows = [[cells.get((o, p)) for p in precisions] for o in optimizers]
    return {
        "title": title(board),
        "notes": upcasts(board),
        "footnotes": footnote(),
        "optimizers": optimizers,
        "precisions": precisions,
        "penalty": [[None if r is None else rounded(r.penalty.value) for r in row] for row in rows],
        "text": [["" if r is None else f"{bound(r)}{_said(r.penalty.value)}" for r in row] for row in rows],
        "failed": [["" if r is None else failures(r.failures) for r in row] for row in rows],
        "sheets": [sheet_json(sheet) for sheet in sheets(board, per_task=False)],
    }


def _said(x: float) -> str:
    return UNKNOWN if math.isnan(x) else number(x)


def ill(found: Sequence[Ill]) -> Json:
    """Return the matrix of the pathologies: precision -> optimizers, and hits and trials of each, None: not run."""
    names = [name for name in PATHOLOGIES if any(x.pathology == name for x in found)]
    matrix: Json = {}
    for precision in sorted({x.precision for x in found}, key=PRECISIONS.index):
        cells = {(x.optimizer, x.pathology): x for x in found if x.precision == precision}
        optimizers = list(dict.fromkeys(optimizer for optimizer, _ in cells))
        matrix[precision] = [[o, *(_cell(cells, o, name) for name in names)] for o in optimizers]
    return {"names": [[name, PATHOLOGIES[name]] for name in names], "by_precision": matrix}


def _cell(cells: Mapping[tuple[str, str], Ill], optimizer: str, name: str) -> list[int] | None:
    x = cells.get((optimizer, name))
    return None if x is None else [x.n_hits, x.n_trials, round(100.0 * x.success.low), round(100.0 * x.success.high)]
