"""What the records say of each optimizer besides targets: seconds, bytes, how its trials ended, where it ran."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rmobench.statistics.board import Ending
from rmobench.statistics.hits import seconds_per
from rmobench.types import Status

EXPECTED = (Status.solved.value, Status.budget.value)
"""Endings that need no explanation."""

PLACE = ["machine", "env_device", "threads", "jobs", "torch"]
"""Times are comparable only where these and the precision are equal."""

BYTES = ["model_bytes", "state_bytes", "peak_bytes"]


def medians(runs: pd.DataFrame) -> Mapping[str, Mapping[str, float]]:
    """Return the medians of call_s, step_s and the three bytes over each optimizer's trials; NaN: unknown."""
    table: pd.DataFrame = runs[BYTES].apply(pd.to_numeric).astype(float)
    table["call_s"], table["step_s"] = seconds_per(runs, "n_calls"), seconds_per(runs, "step")
    table["optimizer"] = runs["optimizer"]
    found = table.groupby("optimizer", observed=True).median()
    return {str(name): {str(k): float(v) for k, v in row.items()} for name, row in found.to_dict("index").items()}


ACCOUNTS = ("trainable_bytes", "frozen_bytes", "gradient_bytes", "activation_bytes", "transient_bytes")
"""What a record says of its memory beside the state, by its names there."""


def accounts(runs: pd.DataFrame) -> Mapping[str, Mapping[str, float]]:
    """Return the medians of every part of the memory over each optimizer's trials, of those that were accounted for."""
    if "diagnostics" not in runs:
        return {}
    said = [says if isinstance(says, dict) else {} for says in runs["diagnostics"]]
    table = pd.DataFrame({name: [says.get(name, math.nan) for says in said] for name in ACCOUNTS}, index=runs.index)
    found = table.astype(float).groupby(runs["optimizer"], observed=True).median().dropna(how="all")
    return {str(name): {str(k): float(v) for k, v in row.items()} for name, row in found.to_dict("index").items()}


def ends(runs: pd.DataFrame) -> Mapping[str, Mapping[str, float | None]]:
    """Return the median of final and accuracy and the largest residual over each optimizer's trials; None: unknown."""
    table: pd.DataFrame = runs[["final", "accuracy", "residual"]].apply(pd.to_numeric).astype(float)
    how = {"final": "median", "accuracy": "median", "residual": "max"}
    found = table.groupby(runs["optimizer"], observed=True).agg(how)
    return {
        str(name): {str(k): None if math.isnan(v) else float(v) for k, v in row.items()}
        for name, row in found.to_dict("index").items()
    }


def statuses(runs: pd.DataFrame) -> Mapping[str, dict[str, int]]:
    """Count how each optimizer's trials ended, by optimizer, the most frequent first."""
    counts = runs.groupby(["optimizer", "status"], observed=True).size().reset_index(name="n")
    counts = counts.sort_values(["n", "status"], ascending=[False, True])
    found: dict[str, dict[str, int]] = {}
    for optimizer, status, n in zip(counts["optimizer"], counts["status"], counts["n"], strict=True):
        found.setdefault(optimizer, {})[status] = int(n)
    return found


def upcasts(runs: pd.DataFrame) -> Mapping[str, str]:
    """Say what ran wider than the precision, by optimizer, for those that did."""
    said = runs[runs["upcast"].notna()].groupby("optimizer", observed=True)["upcast"].unique()
    return {str(name): ", ".join(sorted(texts)) for name, texts in said.items()}


def endings(runs: pd.DataFrame) -> tuple[Ending, ...]:
    """Group the trials that neither solved their task nor spent their budget, with the first message of each group."""
    odd = runs[~runs["status"].isin(EXPECTED)]
    groups = odd.groupby(["optimizer", "status"], observed=True)
    return tuple(_ending(str(optimizer), str(status), group) for (optimizer, status), group in groups)


def _ending(optimizer: str, status: str, group: pd.DataFrame) -> Ending:
    told = group[group["error"].notna()]
    first = (group if told.empty else told).iloc[0]
    return Ending(
        optimizer=optimizer,
        status=status,
        n_trials=len(group),
        n_tasks=int(group["task"].nunique()),
        task=str(first["task"]),
        error=None if told.empty else str(first["error"]),
    )


def environments(runs: pd.DataFrame) -> tuple[str, ...]:
    """Describe the places where the records were measured, each in words."""
    places = runs[PLACE].astype(object).where(runs[PLACE].notna(), None).drop_duplicates()
    return tuple(sorted(_words(*place) for place in places.itertuples(index=False, name=None)))


def _words(
    machine: str | None, device: str | None, threads: float | None, jobs: float | None, torch: str | None
) -> str:
    if machine is None:
        return "an unknown machine"
    where = machine if device in (machine, None) else f"{machine}, {device}"
    n = "" if threads is None else f", {threads:.0f} thread{'' if threads == 1 else 's'}"
    beside = "" if jobs in (None, 1) else f", {jobs:.0f} trials at once"
    return f"{where}{n}{beside}, torch {torch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and with what some of the records were measured; None: unknown."""

    machine: str | None
    env_device: str | None
    threads: int | None
    jobs: int | None
    torch: str | None
    python: str | None
    driver: str | None
    n_records: int


def places(runs: pd.DataFrame) -> tuple[Place, ...]:
    """Count the records of each environment, the most frequent first."""
    columns = [*PLACE, "python", "driver"]
    table = runs.reindex(columns=columns).astype(object)
    counts = Counter(table.where(table.notna(), None).itertuples(index=False, name=None))
    found = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(Place(**dict(zip(columns, map(_whole, key), strict=True)), n_records=n) for key, n in found)


def _whole(value: Any) -> Any:
    """Turn the counts that pandas holds as floats back into whole numbers."""
    return int(value) if isinstance(value, float) else value
