"""Which setting of an optimizer won the tuning: on every task, and over all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rmobench.statistics.hits import costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Winners:
    """Labels of the winning settings."""

    by_task: Mapping[str, str]
    overall: str


def winners(runs: pd.DataFrame, *, axis: str = "n_grad") -> Winners:
    """Choose among the settings (optimizer labels) of tuning trials.

    On a task the lowest ERT at the headline rung wins; where equal, or never reached, the easier rungs decide, the
    hardest first. Over all tasks the lowest geometric mean of ERT at the headline wins, a task without a hit counting
    as one hit in twice as many trials.

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
    by_task = {str(task): _first(part.droplevel("task")) for task, part in wide.groupby(level="task", observed=True)}
    hardest = sums[sums["rung"] == sums.groupby("task", observed=True)["rung"].transform("min")]
    overall = np.log(hardest["humble"]).groupby(hardest["optimizer"], observed=True).mean().idxmin()
    return Winners(by_task=by_task, overall=str(overall))


def _first(erts: pd.DataFrame) -> str:
    """Return the optimizer with the lowest ERTs [optimizer, rung], compared at the hardest rung first."""
    rungs = sorted(erts.columns)
    return str(min(erts.index, key=lambda name: tuple(erts.loc[name, rungs])))
