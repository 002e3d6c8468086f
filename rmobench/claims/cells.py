"""Who needs fewer iterations? Two optimizers compared cell by cell; a cell is a task."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.claims.resampling import bootstrap_mean, through, within
from rmobench.statistics.failures import ENDED_BY
from rmobench.statistics.hits import at_rung, costs
from rmobench.statistics.intervals import success_rate
from rmobench.statistics.scores import estimates
from rmobench.types import Interval

Array = NDArray[np.float64]

CENSORED = 2.0
"""A cell that is never solved counts so many budgets."""


def judged(runs: pd.DataFrame, *, axis: str) -> pd.DataFrame:
    """Return the ERT at the headline rung and the success rate of every cell and optimizer.

    Args:
        runs: One row per record, at one precision.
        axis: What is counted, one of `types.AXES`.

    Returns:
        Indexed by task; columns (ert | success, optimizer). An ERT is infinite where nothing was hit, and both are NaN
        where an optimizer was not run.
    """
    table = estimates(at_rung(costs(runs, axis=axis), None))
    wide = table.astype({"task": str, "optimizer": str}).pivot(index="task", columns="optimizer")
    found: pd.DataFrame = wide[["ert", "success"]]
    return found


def column(wide: pd.DataFrame, what: str, optimizer: str) -> Array:
    """Return one of the columns of `judged` [cells], NaN where the optimizer was not run."""
    return wide.reindex(columns=[(what, optimizer)]).to_numpy(float)[:, 0]


def by_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with every (task, seed) as a task, a cell of its own."""
    return runs.assign(task=runs["task"] + " " + runs["seed"].astype(str))


def censored(wide: pd.DataFrame, runs: pd.DataFrame, *optimizers: str) -> tuple[Array, ...]:
    """Return the ERTs [cells] of some optimizers, CENSORED budgets of calls in the place of infinite ones.

    Args:
        wide: What `judged` made of the runs, counting steps or calls.
        runs: One row per record.
        optimizers: Labels.
    """
    missed = CENSORED * runs.groupby("task")["budget_calls"].max().reindex(wide.index).to_numpy(float)
    erts = (column(wide, "ert", name) for name in optimizers)
    return tuple(np.where(np.isinf(ert), missed, ert) for ert in erts)


def outcomes(runs: pd.DataFrame) -> pd.DataFrame:
    """Add to every trial whether it failed (`failures.ENDED_BY`), and whether it hit its headline rung.

    Args:
        runs: One row per (label, trial).

    Returns:
        The same rows, numbered from 0, with the columns failed and hit.
    """
    trials = runs.drop_duplicates("id")
    reached = at_rung(costs(trials.assign(optimizer=trials["id"]), axis="step"), None)
    hit = dict(zip(map(str, reached["optimizer"]), reached["hit"], strict=True))
    return runs.reset_index(drop=True).assign(
        failed=runs["status"].isin([str(status) for status in ENDED_BY]).to_numpy(),
        hit=runs["id"].map(hit).to_numpy(bool),
    )


def share_won(ours: Array, theirs: Array) -> Interval:
    """Return the share of the cells that either solves in which ours is the lower ERT, a tie being half.

    Args:
        ours: ERTs [cells], NaN where it was not run: such cells do not count.
        theirs: ERTs [cells], likewise.
    """
    either = (np.isfinite(ours) | np.isfinite(theirs)) & ~np.isnan(ours) & ~np.isnan(theirs)
    won = np.where(ours < theirs, 1.0, np.where(ours == theirs, 0.5, 0.0))[either]
    found = within(bootstrap_mean(won), 0.0, 1.0)
    alike = found.low == found.high and found.value in (0.0, 1.0)  # resamples of equal cells have no width
    return success_rate(int(won.sum()), len(won)) if alike else found


def ratio(ours: Array, theirs: Array) -> Interval:
    """Return the geometric mean of ours / theirs over the cells that both solve.

    Args:
        ours: ERTs [cells].
        theirs: ERTs [cells].
    """
    both = np.isfinite(ours) & np.isfinite(theirs)
    return through(math.exp, bootstrap_mean(np.log(ours[both] / theirs[both])))


def rate(success: Array) -> Interval:
    """Return the mean success rate over the cells.

    Args:
        success: Rates [cells], NaN where it was not run.
    """
    return within(bootstrap_mean(success[~np.isnan(success)]), 0.0, 1.0)
