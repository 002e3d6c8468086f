"""From records to costs: one row per trial and rung.

The cost rule, here and nowhere else; reports call it *the whole-budget rule*:

    hit      a trial that reached the rung pays what it had spent at the first point that reached it, and at least
             LEAST (a start that is already there is not free);
    no hit   it pays its whole budget, whatever ended it, so that stopping or crashing early never pays:
                 step, n_grad   budget_calls, for a step costs at least one call;
                 time_s         its own pace times the whole budget, time_s * budget_calls / n_calls,
                                or budget_s where the pace is unknown (lost with its process, or no call was made).

Nothing is dropped: every record gives one row per rung of its task. n_grad counts every oracle call: losses, gradients
and Hessian-vector products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.errors import InputError
from rmobench.types import AXES, PRECISIONS

Array = NDArray[np.float64]

PAIR = ["precision", "task", "optimizer"]
"""The columns that name who is judged on what."""

LEAST = {"step": 1.0, "n_grad": 1.0, "time_s": 1e-6}
"""The smallest cost of a hit: a call, or the microsecond that a clock can resolve."""


def costs(runs: pd.DataFrame, *, axis: str) -> pd.DataFrame:
    """Apply the whole-budget rule to every record and rung.

    Args:
        runs: One row per record.
        axis: One of `types.AXES`.

    Returns:
        One row per (trial, rung), in an order that does not depend on the order of `runs`: precision, task, optimizer
        (categorical), seed, rung, headline (bool: is it the task's headline rung), hit (bool), cost, charge (what a
        miss pays), budget (the whole budget, the same for every optimizer: calls, or seconds).

    Raises:
        InputError: There are no records, or the axis does not exist.
    """
    if axis not in AXES:
        raise InputError(f"got axis {axis!r}, expected one of {', '.join(AXES)}.")
    runs = in_order(runs)
    length = _lengths(runs["rungs"])
    table = runs[[*PAIR, "seed"]].loc[np.repeat(runs.index, length)].reset_index(drop=True)
    table["trial"] = np.repeat(np.arange(len(runs)), length)
    table["rung"] = _flat(runs["rungs"])
    table["headline"] = np.isclose(
        table["rung"], np.repeat(runs["headline"].to_numpy(float), length), rtol=1e-9, atol=0.0
    )
    table = table.merge(_hits(runs, axis), how="left", on=["trial", "rung"]).drop(columns="trial")
    table["hit"] = table["spent"].notna()
    table["charge"] = np.repeat(_charge(runs, axis), length)
    table["cost"] = table.pop("spent").clip(lower=LEAST[axis]).fillna(table["charge"])
    table["budget"] = np.repeat(runs["budget_s" if axis == "time_s" else "budget_calls"].to_numpy(float), length)
    return table


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Sort by precision, task, optimizer, seed and id, the first three as categories.

    Raises:
        InputError: There are no records.
    """
    if runs.empty:
        raise InputError(
            "there are no records to judge. `rmobench run smoke` makes some; `--store` names another store."
        )
    precisions = [*PRECISIONS, *sorted(set(runs["precision"].unique()) - set(PRECISIONS))]
    present = [p for p in precisions if (runs["precision"] == p).any()]
    runs = runs.assign(
        precision=pd.Categorical(runs["precision"], categories=present),
        task=runs["task"].astype("category"),
        optimizer=runs["optimizer"].astype("category"),
    )
    return runs.sort_values([*PAIR, "seed", "id"], kind="stable", ignore_index=True)


def grouped(
    table: pd.DataFrame, by: list[str], columns: Iterable[str]
) -> Iterator[tuple[list[str], dict[str, NDArray[Any]]]]:
    """Yield each group's key and columns as arrays, in the order of the keys: a frame of few rows costs milliseconds.

    Args:
        table: With the columns.
        by: Columns that name a group.
        columns: Those of the groups that are wanted.
    """
    groups = table.groupby(by, observed=True)
    arrays, rows = {name: table[name].to_numpy() for name in columns}, groups.indices
    for key in groups.size().index:
        yield [str(part) for part in key], {name: array[rows[key]] for name, array in arrays.items()}


def at_rung(table: pd.DataFrame, rung: float | None, *, else_headline: bool = False) -> pd.DataFrame:
    """Keep one rung of each trial: the given one, or with None its task's headline.

    Args:
        table: What `costs` returns.
        rung: To reach.
        else_headline: Judge tasks without the rung at their headline; else they are left out.

    Raises:
        InputError: No task has the rung.
    """
    chosen = table["headline"] if rung is None else np.isclose(table["rung"], rung, rtol=1e-9, atol=0.0)
    if not chosen.any():
        ladder = ", ".join(f"{r:g}" for r in sorted(table["rung"].unique(), reverse=True))
        raise InputError(f"got rung {rung:g}, expected one that a task has: {ladder}.")
    if else_headline:
        chosen |= table["headline"] & ~table["task"].isin(table.loc[chosen, "task"].unique())
    return table[chosen].reset_index(drop=True)


def censored_log(table: pd.DataFrame) -> Array:
    """Return the logarithm of each cost [m], a miss at twice its charge, for paired comparisons."""
    return np.log(np.where(table["hit"], table["cost"], 2.0 * table["charge"]))


def _hits(runs: pd.DataFrame, axis: str) -> pd.DataFrame:
    trial = np.repeat(np.arange(len(runs)), _lengths(runs["hit_rung"]))
    return pd.DataFrame({"trial": trial, "rung": _flat(runs["hit_rung"]), "spent": _flat(runs[f"hit_{axis}"])})


def _charge(runs: pd.DataFrame, axis: str) -> Array:
    """Return what each trial pays for a miss [n]."""
    calls = runs["budget_calls"].to_numpy(float)
    if axis != "time_s":
        return calls
    pace = seconds_per(runs, "n_calls")
    return np.where(pace > 0.0, pace * calls, runs["budget_s"].to_numpy(float))


def seconds_per(runs: pd.DataFrame, count: str) -> Array:
    """Return each trial's seconds per call ("n_calls") or per iterate ("step") [n], NaN where unknown."""
    n = pd.to_numeric(runs[count]).to_numpy(float)
    return pd.to_numeric(runs["time_s"]).to_numpy(float) / np.where(n > 0.0, n, np.nan)


def _lengths(lists: pd.Series) -> NDArray[np.intp]:
    return np.fromiter(map(len, lists), dtype=np.intp, count=len(lists))


def _flat(lists: pd.Series) -> Array:
    return np.fromiter(chain.from_iterable(lists), dtype=np.float64)
