"""What tuning is worth: the expected best of k settings, k being what a user can afford to try.

A setting's cost on a task is its ERT at the headline rung, a task without a hit counting as one hit in twice as many
trials, as in `winners`. Of n settings that were tried, k are drawn without replacement; the i-th best of the n is
the best of the draw with probability C(n - i, k - 1) / C(n, k), i from 1. Logarithms are averaged over draws and tasks.

Source: Dodge et al. 2019, EMNLP, arXiv 1909.03004, who draw with replacement; without: order statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.statistics.hits import at_rung, costs

Array = NDArray[np.float64]

TRIED = (1, 2, 4, 8, 16)
"""Numbers of settings that are told."""

LEAST_SETTINGS = 4
"""Settings below which there is no curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One optimizer's curve: geometric means over the tasks of the expected best cost after k settings."""

    optimizer: str
    n_settings: int
    n_tasks: int
    k: tuple[int, ...]
    by_task: tuple[float, ...]  # another setting for every task
    once: tuple[float, ...]  # one setting for all tasks


def searches(runs: pd.DataFrame, *, axis: str = "n_grad") -> tuple[Search, ...]:
    """Return the curve of every optimizer that was tuned.

    Args:
        runs: Tuning records at one precision, one row each; `optimizer` is the setting, `optimizer_name` who it is of.
            Settings that did not run on all the tasks of their optimizer are left out.
        axis: What is counted, one of `types.AXES`.
    """
    found = (_search(str(name), group, axis) for name, group in runs.groupby("optimizer_name", observed=True))
    return tuple(search for search in found if search is not None)


def _search(name: str, runs: pd.DataFrame, axis: str) -> Search | None:
    chosen = at_rung(costs(runs, axis=axis), None)
    sums = chosen.groupby(["task", "optimizer"], observed=True)[["cost", "hit"]].sum()
    paid: pd.Series = sums["cost"] / sums["hit"].clip(lower=0.5)
    logs = np.log(paid.unstack("optimizer").dropna(axis=1).to_numpy(float))
    n_tasks, n = logs.shape
    if n < LEAST_SETTINGS:
        return None
    tried = tuple(k for k in TRIED if k <= n)
    return Search(
        optimizer=name,
        n_settings=n,
        n_tasks=n_tasks,
        k=tried,
        by_task=tuple(float(np.exp(np.mean([expected_best(row, k) for row in logs]))) for k in tried),
        once=tuple(float(np.exp(expected_best(logs.mean(0), k))) for k in tried),
    )


def expected_best(values: Array, k: int) -> float:
    """Return the expected minimum of k of n values [n], drawn without replacement."""
    n = len(values)
    weights = np.array([math.comb(n - i, k - 1) / math.comb(n, k) for i in range(1, n + 1)])
    return float(np.sort(values) @ weights)
