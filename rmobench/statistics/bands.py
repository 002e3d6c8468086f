"""Curves with intervals, for figures: the ECDF of `ecdf` and the profile of `profiles`, over resampled tasks.

Tasks are what is resampled, for the seeds of a task are alike; one task says nothing about others, so its band is the
whole of [0, 1]. The grids are fixed, so that curves lie over one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.statistics.board import Leaderboard
from rmobench.statistics.ecdf import DECADES
from rmobench.statistics.hits import costs
from rmobench.statistics.intervals import percentiles, weights
from rmobench.statistics.profiles import TAU, ratios

Array = NDArray[np.float64]

POINTS = 41
"""Points of a curve."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """The share that is reached within x, with its 95 % interval at every point."""

    optimizer: str
    precision: str
    x: Array  # [k], ascending
    share: Array  # [k], in [0, 1]
    low: Array  # [k]
    high: Array  # [k]


def ecdf_bands(runs: pd.DataFrame, *, axis: str = "n_grad", points: int = POINTS) -> tuple[Band, ...]:
    """Return for each precision and optimizer the share of its (task, rung, seed) reached within a share of the budget.

    Args:
        runs: One row per record.
        axis: What is counted, one of `types.AXES`.
        points: Of the logarithmic grid from 10 to the minus DECADES to 1.
    """
    table = costs(runs, axis=axis)
    x = np.logspace(-DECADES[axis], 0.0, points)
    at = np.searchsorted(x * (1.0 + 1e-9), (table["cost"] / table["budget"]).to_numpy(float))
    table["at"] = np.where(table["hit"], np.minimum(at, points), points)  # the first point that has it; points: none
    groups = table.groupby(["precision", "optimizer"], observed=True)
    return tuple(_ecdf_band(str(optimizer), str(precision), group, x) for (precision, optimizer), group in groups)


def _ecdf_band(optimizer: str, precision: str, group: pd.DataFrame, x: Array) -> Band:
    task = group["task"].cat.codes.to_numpy()
    _, code = np.unique(task, return_inverse=True)
    counts = np.zeros((code.max() + 1, len(x) + 1))
    np.add.at(counts, (code, group["at"].to_numpy(int)), 1.0)
    return _band(optimizer, precision, x, counts[:, :-1].cumsum(1), counts.sum(1))


def profile_bands(board: Leaderboard, *, points: int = POINTS) -> tuple[Band, ...]:
    """Return for each optimizer of a board the share of all its tasks on which its ERT is within a factor of the best.

    A task that it did not attempt counts as unsolved, as in the score: the area under the curve on a log2 axis is the
    score, up to the width of the grid.

    Args:
        board: With an ERT for each (task, optimizer) at its rung.
        points: Of the grid from 1 to TAU, equally spaced in its logarithm.
    """
    task = {name: k for k, name in enumerate(dict.fromkeys(s.task for s in board.scores))}
    optimizer = {name: k for k, name in enumerate(dict.fromkeys(s.optimizer for s in board.scores))}
    ert = np.full((len(task), len(optimizer)), np.nan)
    for s in board.scores:
        ert[task[s.task], optimizer[s.optimizer]] = s.ert.value
    ratio = ratios(ert)
    x = np.exp2(np.linspace(0.0, np.log2(TAU), points))
    within = (np.where(np.isnan(ratio), np.inf, ratio)[:, :, None] <= x * (1.0 + 1e-9)).astype(float)
    one_each = np.ones(len(task))
    return tuple(_band(name, board.precision, x, within[:, k], one_each) for name, k in optimizer.items())


def _band(optimizer: str, precision: str, x: Array, reached: Array, total: Array) -> Band:
    """Join the tasks: what each reached within x [tasks, k], of how much [tasks]."""
    share = reached.sum(0) / total.sum()
    if len(total) == 1:
        low, high = np.zeros_like(share), np.ones_like(share)
    else:
        resample = weights(len(total))
        low, high = percentiles(share, lambda part: (reached.T[part] @ resample) / (total @ resample))
    return Band(optimizer=optimizer, precision=precision, x=x, share=share, low=low, high=high)
