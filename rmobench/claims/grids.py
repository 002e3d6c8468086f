"""What claims share that compare methods over a grid of settings, each at its best one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rmobench.claims.resampling import bootstrap_mean
from rmobench.statistics.hits import at_rung, costs
from rmobench.statistics.intervals import success_rate
from rmobench.types import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """A method at the setting of its grid that reaches the rung most often, then soonest."""

    setting: str
    n_settings: int
    success: Interval  # of its seeds
    iterations: Interval  # to the rung, mean over the seeds that reach it; NaN: none does


def best_of_grid(runs: pd.DataFrame, *, rung: float) -> dict[tuple[str, str], Best]:
    """Find every method's best setting on every task.

    Args:
        runs: One row per trial; an optimizer's label is `method[setting]`.
        rung: To reach.

    Returns:
        By (task, method).
    """
    table = at_rung(costs(runs, axis="step"), rung).astype({"task": str, "optimizer": str})
    table["method"] = table["optimizer"].str.partition("[")[0]
    found: dict[tuple[str, str], Best] = {}
    for (task, method), group in table.groupby(["task", "method"]):
        by_setting = {str(name): rows for name, rows in group.groupby("optimizer")}
        name = max(by_setting, key=lambda setting: _order(by_setting[setting]))
        seeds = by_setting[name]
        found[str(task), str(method)] = Best(
            setting=name,
            n_settings=len(by_setting),
            success=success_rate(int(seeds["hit"].sum()), len(seeds)),
            iterations=bootstrap_mean(seeds.loc[seeds["hit"], "cost"].to_numpy(float)),
        )
    return found


def _order(seeds: pd.DataFrame) -> tuple[int, float]:
    hits = seeds.loc[seeds["hit"], "cost"].to_numpy(float)
    return len(hits), -float(hits.mean()) if len(hits) else -np.inf
