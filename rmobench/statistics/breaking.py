"""Up to which condition number does an optimizer reach its target, at each precision?

A sweep is a task that ran with several values of one argument, everything else being equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rmobench.statistics.hits import at_rung, costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """Where one optimizer breaks in a sweep at one precision."""

    task: str  # label without the swept argument
    optimizer: str
    precision: str
    argument: str
    swept: tuple[float, ...]  # its values, ascending
    n_hits: tuple[int, ...]  # trials that reached the rung, by value
    n_trials: tuple[int, ...]  # trials, by value
    broken_at: (
        float | None
    )  # smallest value at which more than half of the trials miss the rung; None: not in the sweep


def breaking(runs: pd.DataFrame, *, rung: float | None = None, argument: str = "cond") -> tuple[Breaking, ...]:
    """Find where each optimizer breaks, by task, optimizer and precision.

    Args:
        runs: One row per record; what was run with a single value is no sweep and left out.
        rung: The rung to reach; None: each task's headline.
        argument: Name of the swept argument, a number.

    Raises:
        InputError: There are no records, or no task has the rung.
    """
    given = re.compile(rf"(?<=[\[,]){argument}=([^,\]]+),?")
    chosen = at_rung(costs(runs, axis="n_grad"), rung)
    label = chosen["task"].astype(str)
    chosen["value"] = pd.to_numeric(label.str.extract(given, expand=False))
    chosen["rest"] = (
        label.str.replace(given, "", regex=True).str.replace(r",?\]$", "]", regex=True).str.replace("[]", "")
    )
    chosen = chosen[chosen["value"].notna()]
    groups = chosen.groupby(["rest", "optimizer", "precision"], observed=True)
    found = (_breaking(*map(str, key), argument=argument, group=group) for key, group in groups)
    return tuple(row for row in found if len(row.swept) > 1)


def _breaking(task: str, optimizer: str, precision: str, *, argument: str, group: pd.DataFrame) -> Breaking:
    by_value = group.groupby("value")["hit"].agg(["sum", "size"])
    broken = by_value.index[by_value["sum"] < by_value["size"] / 2.0]
    return Breaking(
        task=task,
        optimizer=optimizer,
        precision=precision,
        argument=argument,
        swept=tuple(map(float, by_value.index)),
        n_hits=tuple(map(int, by_value["sum"])),
        n_trials=tuple(map(int, by_value["size"])),
        broken_at=float(np.min(broken)) if len(broken) else None,
    )
