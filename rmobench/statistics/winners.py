"""Which setting of an optimizer won the tuning: on every task, and over all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rmobench.statistics.hits import costs
from rmobench.types import Status

BLOWN_UP = (Status.nonfinite, Status.diverged)
"""How a trial ends that nobody would go on with, whatever it reached before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Winners:
    """Labels of the winning settings."""

    by_task: Mapping[str, str]
    overall: str


def winners(runs: pd.DataFrame, *, axis: str = "n_grad") -> Winners:
    """Choose among the settings (optimizer labels) of tuning trials.

    Settings that blow up on fewer seeds go first, whatever they reached before: nobody would go on with the others.
    Then, on a task, the lowest ERT at the headline rung wins; where equal, or never reached, the easier rungs decide,
    the hardest first; where no rung was reached, the lowest mean of the metric at the end (of feasible ends, if any).
    Over all tasks the lowest geometric mean of ERT at the headline wins, a task without a hit counting
    as one hit in twice as many trials; where equal, the lowest mean rank of the ends.

    Args:
        runs: One row per tuning trial of one optimizer at one precision; every setting on every task.
        axis: What is counted, one of `types.AXES`.

    Raises:
        InputError: There are no records.
    """
    table = costs(runs, axis=axis)
    headline = table["rung"].where(table["headline"]).groupby(table["task"], observed=True).transform("max")
    table = table[table["rung"] >= headline * (1.0 - 1e-9)]
    keys = ["task", "optimizer", "rung"]
    sums = table.groupby(keys, observed=True)[["cost", "hit"]].sum().reset_index()
    sums["ert"] = (sums["cost"] / sums["hit"]).where(sums["hit"] > 0, np.inf)
    sums["humble"] = (sums["cost"] / sums["hit"].clip(lower=0.5)).astype(float)
    wide = sums.pivot_table(index=["task", "optimizer"], columns="rung", values="ert", observed=True)
    ends = _ends(runs).groupby([runs["task"], runs["optimizer"]], observed=True).mean()
    ended: pd.Series = runs["status"].isin(BLOWN_UP)
    blown_up: pd.Series = ended.groupby([runs["task"], runs["optimizer"]], observed=True).sum()
    by_task = {
        str(task): _first(part.droplevel("task"), ends[str(task)], blown_up[str(task)])
        for task, part in wide.groupby(level="task", observed=True)
    }
    hardest = sums[sums["rung"] == sums.groupby("task", observed=True)["rung"].transform("min")]
    overall = np.log(hardest["humble"]).groupby(hardest["optimizer"].astype(str)).mean().round(9)
    ranks = ends.groupby(level=0).rank().groupby(level=1).mean()
    lost = blown_up.groupby(level=1).sum()
    best = min(overall.index, key=lambda name: (lost[name], overall[name], ranks[name]))
    return Winners(by_task=by_task, overall=str(best))


def _first(erts: pd.DataFrame, ends: pd.Series, blown_up: pd.Series) -> str:
    """Return the optimizer that blows up least, then of the lowest ERTs [optimizer, rung], hardest first, then end."""
    rungs = sorted(erts.columns[erts.notna().any()])  # a task has its own rungs
    return str(min(erts.index, key=lambda name: (blown_up[name], *erts.loc[name, rungs], ends[name])))


def _ends(runs: pd.DataFrame) -> pd.Series:
    """Return each trial's metric at the end, the lower the better, infinite where infeasible or not finite."""
    final = pd.to_numeric(runs["final"]) * np.where(runs["mode"] == "min", 1.0, -1.0)
    return final.where(runs["status"] != Status.infeasible).fillna(np.inf)
