"""Which optimizer copes with what: success on tasks that have one difficulty each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from rmobench.statistics.hits import at_rung, costs
from rmobench.statistics.intervals import success_rate
from rmobench.types import Interval

PATHOLOGIES = {
    "bad_scaling": "units eight decades apart",
    "curved_valley": "a winding valley",
    "heavy_tailed_noise": "noise of infinite variance",
    "kink": "a gradient that jumps",
    "plateau": "a slope that vanishes",
    "saddle_escape": "a saddle with a faint way out",
}
"""Tasks and their one difficulty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ill:
    """One optimizer on one pathology."""

    pathology: str  # name of the task
    optimizer: str
    precision: str
    n_trials: int
    n_hits: int
    success: Interval  # Wilson


def pathologies(runs: pd.DataFrame, *, rung: float | None = None) -> tuple[Ill, ...]:
    """Return the success of every optimizer on every pathology that has records, by precision, optimizer, pathology.

    Args:
        runs: One row per record; other tasks are left out.
        rung: The rung to reach; None: each task's headline.
    """
    mine = runs[runs["task_name"].isin(list(PATHOLOGIES))]
    if mine.empty:
        return ()
    names = dict(zip(mine["task"], mine["task_name"], strict=True))
    reached = at_rung(costs(mine, axis="n_grad"), rung)
    reached["pathology"] = reached["task"].astype(str).map(names)
    groups = reached.groupby(["precision", "optimizer", "pathology"], observed=True)["hit"].agg(["sum", "size"])
    return tuple(
        Ill(
            pathology=str(pathology),
            optimizer=str(optimizer),
            precision=str(precision),
            n_trials=int(n),
            n_hits=int(hits),
            success=success_rate(int(hits), int(n)),
        )
        for (precision, optimizer, pathology), hits, n in groups.itertuples(name=None)
    )
