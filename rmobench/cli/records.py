"""Which records a command speaks of, and under which names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rmobench.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from rmobench.harness.plan import Plan


def load_planned(store: Path, plan: Plan) -> DataFrame:
    """Load the records of a plan's trials, named as the plan does."""
    from rmobench.store import load

    return labelled(load(store, ids=plan.ids), plan)


def labelled(runs: DataFrame, plan: Plan) -> DataFrame:
    """Name the plan's trials as the plan does, once per label, and leave all others as they are."""
    import pandas as pd

    from rmobench.statistics import named

    return pd.concat([named(runs, plan.labels), runs[~runs["id"].isin(plan.ids)]], ignore_index=True)


def of_suite(runs: DataFrame, plan: Plan, suite: str) -> DataFrame:
    """Keep what was run on a suite's tasks at its precisions and budgets, other optimizers and devices included."""
    from rmobench.statistics import of_cells

    kept = of_cells(runs, {(p.trial.task_label, p.trial.precision, p.trial.budget.n_calls) for p in plan.trials})
    if kept.empty:
        raise InputError(f"no records of the suite {suite} at its budget. `rmobench run {suite}` makes them.")
    return kept


def keep_newest(runs: DataFrame) -> DataFrame:
    """Of records that differ only in version or budget, keep the newest, and say how many there were."""
    from rmobench.statistics import newest

    kept = newest(runs)
    if (n := len(runs) - len(kept)) > 0:
        typer.secho(f"{n} records of older versions or other budgets are left out", err=True, fg="yellow")
    return kept
