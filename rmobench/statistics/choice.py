"""Which records a board is about: a family, a task, a precision, a ruleset; and of repeated ones the newest."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from rmobench.errors import InputError

RULESETS = ("defaults", "tuned", "settings")
"""One declared setting for all tasks; the winners of `rmobench tune`; any other setting or label."""

TUNED = ("_tuned", "_tuned_once")
"""How labels end that `rmobench tune` writes: a winner for every task, and one for all."""

SAME = ["task", "optimizer", "precision", "device", "seed"]
"""Records that agree in these differ in version or budget only."""


def rulesets(runs: pd.DataFrame) -> pd.Series:
    """Name the ruleset of each record, one of RULESETS, by its label."""
    label = runs["optimizer"].astype(str)
    found = pd.Series("settings", index=runs.index, dtype=object)
    found[label == runs["optimizer_name"].astype(str)] = "defaults"
    found[label.str.endswith(TUNED)] = "tuned"
    return found


def chosen(
    runs: pd.DataFrame,
    *,
    family: str | None = None,
    task: str | None = None,
    precision: str | None = None,
    ruleset: str | None = None,
) -> pd.DataFrame:
    """Keep the records of a family, of a task (by name, or with all its arguments), of precisions, of a ruleset.

    Args:
        runs: One row per record.
        family: Of tasks; several with commas between.
        task: Its name or its label.
        precision: Likewise; several with commas between.
        ruleset: One of RULESETS; several with commas between.

    Raises:
        InputError: Nothing is left; the message says what there is.
    """
    columns = {"family": runs["family"], "precision": runs["precision"], "ruleset": rulesets(runs)}
    for name, wanted in (("family", family), ("precision", precision), ("ruleset", ruleset)):
        if wanted is not None:
            runs = _kept(runs, columns[name].loc[runs.index], wanted.split(","), f"--{name} {wanted}")
    if task is not None:
        known = sorted(runs["task"].unique())
        runs = runs[(runs["task"] == task) | (runs["task_name"] == task)]
        if runs.empty:
            raise InputError(f"got --task {task}; the records have {', '.join(known)}.")
    return runs


def _kept(runs: pd.DataFrame, column: pd.Series, wanted: Collection[str], said: str) -> pd.DataFrame:
    left = runs[column.isin(list(wanted))]
    if left.empty:
        raise InputError(f"got {said}; the records have {', '.join(sorted(map(str, column.unique())))}.")
    return left


def of_cells(runs: pd.DataFrame, cells: Collection[tuple[str, str, int]]) -> pd.DataFrame:
    """Keep what was run on some (task label, precision, budget in calls), whatever the optimizer and the device."""
    there = zip(runs["task"], runs["precision"], runs["budget_calls"], strict=True)
    kept: pd.DataFrame = runs[[cell in cells for cell in there]]
    return kept


def newest(runs: pd.DataFrame) -> pd.DataFrame:
    """Of records that differ only in version or budget, keep the newest; the order stays."""
    kept: pd.DataFrame = runs.sort_values("started_at", kind="stable").drop_duplicates(SAME, keep="last").sort_index()
    return kept
