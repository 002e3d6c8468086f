"""Optimizer x precision at one glance: colour is the penalty, the hatched part of a cell the share that failed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rmobench.report.numbers import UNKNOWN, number
from rmobench.report.robustness import bound, title
from rmobench.statistics import Failure, PrecisionBoard, Robustness
from rmobench.statistics.robustness import WIDEST_FIRST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

HATCHES = {
    Failure.unsupported: "xxx",
    Failure.exception: "+++",
    Failure.nonfinite: "ooo",
    Failure.diverged: "///",
    Failure.infeasible: "---",
    Failure.stagnated: "...",
    Failure.missed: "\\\\\\",
}

NO_REFERENCE = "lightgray"
"""Colour of a cell without a penalty: the reference never reached the rung."""

LEAST_RANGE = 10.0
"""The colours reach at least to this penalty."""


def heat_map(board: PrecisionBoard) -> Figure:
    """Draw a row per optimizer and a column per precision, the widest first.

    Args:
        board: As `statistics.robustness` gives it.

    Returns:
        A figure of one panel with its scale and a key of the hatches that occur.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    optimizers = list(dict.fromkeys(row.optimizer for row in board.overall))
    precisions = sorted({row.precision for row in board.overall}, key=WIDEST_FIRST.index)
    known = [row.penalty.value for row in board.overall if not math.isnan(row.penalty.value)]
    scale = ScalarMappable(LogNorm(1.0, max(LEAST_RANGE, *known, 1.0), clip=True), colormaps["YlOrRd"])
    figure = Figure(figsize=(3.0 + 1.1 * len(precisions), 1.6 + 0.36 * len(optimizers)), layout="constrained")
    axes = figure.add_subplot()
    for row in board.overall:
        _cell(axes, row, precisions.index(row.precision), optimizers.index(row.optimizer), scale)
    axes.set(xlim=(0, len(precisions)), ylim=(len(optimizers), 0))
    axes.set_xticks([i + 0.5 for i in range(len(precisions))], precisions)
    axes.set_yticks([i + 0.5 for i in range(len(optimizers))], optimizers)
    axes.tick_params(length=0)
    figure.suptitle(title(board), fontsize=8)
    figure.colorbar(scale, ax=axes, label="penalty")
    _key(figure, board)
    return figure


def _cell(axes: Axes, row: Robustness, x: int, y: int, scale: ScalarMappable) -> None:
    """Paint a cell, hatch its failed share kind by kind from the right, and write the penalty."""
    from matplotlib.patches import Rectangle

    value = row.penalty.value
    face = NO_REFERENCE if math.isnan(value) else scale.to_rgba(np.array(value))
    axes.add_patch(Rectangle((x, y), 1.0, 1.0, facecolor=face, edgecolor="white"))
    right = x + 1.0
    for kind, hatch in HATCHES.items():
        width = row.failures.get(kind, 0) / row.n_trials
        right -= width
        if width:
            axes.add_patch(Rectangle((right, y), width, 1.0, fill=False, hatch=hatch, edgecolor="dimgray", linewidth=0))
    text = UNKNOWN if math.isnan(value) else f"{bound(row)}{number(value)}"
    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=8, bbox=BOX)


BOX = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.0}
"""Keeps figures readable over hatches."""


def _key(figure: Figure, board: PrecisionBoard) -> None:
    """Name the hatches that occur, below the panel."""
    from matplotlib.patches import Patch

    seen = {kind for row in board.overall for kind in row.failures}
    patches = [
        Patch(facecolor="white", edgecolor="dimgray", hatch=hatch, label=kind)
        for kind, hatch in HATCHES.items()
        if kind in seen
    ]
    if patches:
        figure.legend(handles=patches, loc="outside lower center", ncols=min(4, len(patches)), fontsize=8)
