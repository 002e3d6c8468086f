"""How each optimizer did on each task: success rate, ERT and median with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rmobench.statistics.ert import ert, median
from rmobench.statistics.hits import PAIR, at_rung, costs
from rmobench.statistics.intervals import wilson
from rmobench.types import Interval, Score


def scores(runs: pd.DataFrame, *, axis: str = "n_grad", rung: float | None = None) -> tuple[Score, ...]:
    """Judge every (precision, task, optimizer) that has records.

    Args:
        runs: One row per record.
        axis: What is counted, one of `types.AXES`.
        rung: The rung to reach; None: each task's headline. A task without the rung has no score.

    Raises:
        InputError: There are no records, the axis does not exist, or no task has the rung.
    """
    return as_scores(estimates(at_rung(costs(runs, axis=axis), rung)), axis)


def estimates(chosen: pd.DataFrame) -> pd.DataFrame:
    """Estimate over the seeds of each (precision, task, optimizer).

    Args:
        chosen: One row per trial, as `hits.at_rung` gives them: the trials of a group are neighbours.

    Returns:
        One row per group: precision, task, optimizer, rung, n_trials, n_hits, and success, ert and median, each with
        its _low and _high.
    """
    codes = np.stack([chosen[key].cat.codes.to_numpy() for key in PAIR])
    first = np.flatnonzero(np.r_[True, (np.diff(codes) != 0).any(0)])
    size = np.diff(np.r_[first, len(chosen)])
    table = chosen.loc[first, [*PAIR, "rung"]].reset_index(drop=True)
    table["n_trials"] = size
    table["n_hits"] = np.add.reduceat(chosen["hit"].to_numpy(int), first)
    table["success"] = table["n_hits"] / size
    table["success_low"], table["success_high"] = wilson(table["n_hits"].to_numpy(float), size.astype(float))
    return table.join(_bootstrapped(chosen, first, size))


def _bootstrapped(chosen: pd.DataFrame, first: np.ndarray, size: np.ndarray) -> pd.DataFrame:
    """Return ert and median of the groups that start at `first` [G] and have `size` [G] trials."""
    cost, hit = chosen["cost"].to_numpy(float), chosen["hit"].to_numpy(bool)
    found = np.empty((len(first), 6))
    for n in np.unique(size):
        group = np.flatnonzero(size == n)
        trial = first[group][:, None] + np.arange(n)  # [G, n]
        found[group, :3] = np.transpose(ert(cost[trial], hit[trial]))
        found[group, 3:] = np.transpose(median(cost[trial], hit[trial]))
    return pd.DataFrame(found, columns=["ert", "ert_low", "ert_high", "median", "median_low", "median_high"])


def as_scores(table: pd.DataFrame, axis: str) -> tuple[Score, ...]:
    """Turn estimates into values."""
    return tuple(
        Score(
            task=row["task"],
            optimizer=row["optimizer"],
            precision=row["precision"],
            axis=axis,
            rung=row["rung"],
            n_trials=row["n_trials"],
            n_hits=row["n_hits"],
            **{name: Interval(value=row[name], low=row[f"{name}_low"], high=row[f"{name}_high"]) for name in MEASURES},
        )
        for row in table.to_dict("records")
    )


MEASURES = ("success", "ert", "median")
