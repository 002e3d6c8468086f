"""What a lower precision costs an optimizer, relative to the same optimizer, task and seed at the widest precision.

The penalty is the geometric mean over the paired seeds of the cost to the rung relative to the reference. A seed that
does not reach the rung counts with its whole budget (`hits`), so with such seeds the penalty is a bound, from below
where this precision missed; a seed that misses at both says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.errors import InputError
from rmobench.statistics.breaking import Breaking, breaking
from rmobench.statistics.failures import failure
from rmobench.statistics.hits import at_rung, costs, grouped, in_order
from rmobench.statistics.intervals import percentiles, weights
from rmobench.statistics.trajectory import best, deviation, drift, times_worse
from rmobench.types import Interval

Array = NDArray[np.float64]

WIDEST_FIRST = ("fp64", "fp32", "tf32", "bf16-amp", "fp16", "bf16")

ITEM_BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16-amp": 4, "fp16": 2, "bf16": 2}
"""Bytes of a stored number, by precision: what state may take if it follows the policy."""

TRACE = ("trace_step", "trace_metric", "trace_residual")

UNKNOWN = Interval(value=float("nan"), low=float("nan"), high=float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """One optimizer at one precision, on one task or over its tasks; NaN: unknown, or nothing to compare."""

    optimizer: str
    precision: str
    task: str | None  # None: over all tasks
    n_tasks: int
    reference: str  # precision that it is compared with: the widest that ran
    n_trials: int
    n_hits: int
    n_lost: int  # seeds that reach the rung at the reference only
    n_gained: int  # seeds that reach it at this precision only
    penalty: Interval  # cost to the rung / that of the reference, geometric mean over seeds, then over tasks
    floor: float  # best judged metric, median over the seeds; of one task only
    floor_ratio: float  # how many times worse than at the reference, likewise; geometric mean over tasks
    failures: Mapping[str, int]  # trials, by `failures.Failure`
    first_failure: float  # step, median over the trials that failed at one
    residual: float  # constraint violation at the end, the largest
    drift: float  # slope of log10 residual against log10 step, median
    stagnation: float  # entries with a gradient that a step does not change, share, median
    deviation: float  # median |log10 metric - log10 metric at the reference| at equal steps up to its hit, median
    state_bytes: float  # kept between steps, per parameter, median
    state_copies: float  # the same in numbers as wide as the precision: equal at every precision unless it upcasts
    upcast: str | None  # what ran wider than the precision


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionBoard:
    """Everything about the precisions of some records."""

    axis: str
    rung: float | None  # None: each task's headline
    at_headline: tuple[str, ...]  # tasks that do not have the rung
    overall: tuple[Robustness, ...]  # by optimizer, then precision
    tasks: tuple[Robustness, ...]  # by task, optimizer, precision
    breaking: tuple[Breaking, ...]


def robustness(runs: pd.DataFrame, *, axis: str = "step", rung: float | None = None) -> PrecisionBoard:
    """Judge what each precision costs.

    Args:
        runs: One row per record, with traces.
        axis: What the penalty counts, one of `types.AXES`.
        rung: The rung to reach; None: each task's headline, as of a task without the rung.

    Raises:
        InputError: There are no records or no traces, the axis does not exist, or no task has the rung.
    """
    if missing := [name for name in TRACE if name not in runs]:
        raise InputError(f"got records without {', '.join(missing)}. Load them with trace=True.")
    pairs = _paired(_trials(runs, axis=axis, rung=rung))
    groups = grouped(pairs, ["task", "optimizer", "precision"], JUDGED)
    tasks = tuple(_on_task(*key, group=group) for key, group in groups)
    return PrecisionBoard(
        axis=axis,
        rung=rung,
        at_headline=_without(pairs, rung),
        overall=over_tasks(tasks),
        tasks=tasks,
        breaking=breaking(runs, rung=rung),
    )


JUDGED = (
    *("reference", "hit", "lost", "gained", "log_penalty", "floor", "floor_ratio", "failure", "failed_at"),
    *("residual", "drift", "stagnation", "deviation", "state", "copies", "upcast"),
)
"""Columns of a pair that the row of its task is made of."""


# --- one row per trial, beside its reference ---------------------------------------------------------------


def _trials(runs: pd.DataFrame, *, axis: str, rung: float | None) -> pd.DataFrame:
    """Say of each trial what it cost, how it failed, and what its trace shows."""
    runs = in_order(runs)
    # costs keeps the order of its records: with their numbers for seeds it says whose cost is whose
    table = costs(runs.assign(seed=np.arange(len(runs))), axis=axis)
    chosen = at_rung(table, rung, else_headline=True).set_index("seed")
    runs = runs.loc[chosen.index].assign(hit=chosen["hit"], log=np.log(chosen["cost"]), rung=chosen["rung"])
    runs["state"] = pd.to_numeric(runs["state_bytes"]).astype(float) / pd.to_numeric(runs["n_params"]).astype(float)
    runs["copies"] = runs["state"] / runs["precision"].map(ITEM_BYTES).astype(float)
    return runs.join(pd.DataFrame(map(_seen, runs.to_dict("records")), index=runs.index))


def _without(trials: pd.DataFrame, rung: float | None) -> tuple[str, ...]:
    """Return the tasks that are not judged at the rung."""
    if rung is None:
        return ()
    other = ~np.isclose(trials["rung"].to_numpy(float), rung, rtol=1e-9, atol=0.0)
    return tuple(sorted(trials.loc[other, "task"].astype(str).unique()))


def _seen(trial: dict[Hashable, Any]) -> dict[str, object]:
    step, metric, residual = (np.asarray(trial[name], float) for name in TRACE)
    kind, failed_at = failure(trial, hit=trial["hit"])
    judged = np.concatenate(
        [metric, [float(trial["final"])], np.asarray(trial["hit_rung"], float)]
    )  # a hit may be thinned
    return {
        "floor": best(judged, mode=trial["mode"]),
        "failure": kind,
        "failed_at": failed_at,
        "drift": drift(step, residual),
        "stagnation": trial["diagnostics"].get("stagnation", float("nan")),
        "until": _hit_step(trial),
    }


def _hit_step(trial: dict[Hashable, Any]) -> float:
    """Return the step at which the rung was reached, infinite if it was not."""
    at = np.flatnonzero(np.isclose(np.asarray(trial["hit_rung"], float), trial["rung"], rtol=1e-9, atol=0.0))
    return float(trial["hit_step"][at[0]]) if len(at) else float("inf")


def _paired(trials: pd.DataFrame) -> pd.DataFrame:
    """Put each trial beside that of the same optimizer, task and seed at the widest precision that ran."""
    trials["precision"] = pd.Categorical(trials["precision"], categories=WIDEST_FIRST)
    width = trials["precision"].cat.codes
    widest = width.groupby([trials["task"], trials["optimizer"]], observed=True).transform("min")
    trials["reference"] = [WIDEST_FIRST[i] for i in widest]
    same = ["task", "optimizer", "seed"]
    told = [*same, "hit", "log", "floor", "until", "trace_step", "trace_metric"]
    base = trials.loc[width == widest, told].drop_duplicates(same, keep="last")
    pairs = trials.merge(base, on=same, how="left", suffixes=("", "_base"))
    rows = pairs.to_dict("records")
    there = pairs["log_base"].notna()
    base_hit = pairs["hit_base"].where(there, other=False).astype(bool)
    pairs["lost"], pairs["gained"] = ~pairs["hit"] & base_hit, pairs["hit"] & ~base_hit & there
    pairs["log_penalty"] = (pairs["log"] - pairs["log_base"]).where(base_hit | pairs["gained"])
    pairs["floor_ratio"] = [times_worse(row["floor"], row["floor_base"], mode=row["mode"]) for row in rows]
    pairs["deviation"] = [_deviation(row) if here else float("nan") for row, here in zip(rows, there, strict=True)]
    return pairs


def _deviation(pair: dict[Hashable, Any]) -> float:
    ours, theirs = (
        (np.asarray(pair[f"trace_step{of}"], float), np.asarray(pair[f"trace_metric{of}"], float))
        for of in ("", "_base")
    )
    return deviation(ours, theirs, until=pair["until_base"])


# --- one row per task, and over the tasks ------------------------------------------------------------------


def _on_task(task: str, optimizer: str, precision: str, *, group: Mapping[str, NDArray[Any]]) -> Robustness:
    reference = str(group["reference"][0])
    return Robustness(
        optimizer=optimizer,
        precision=precision,
        task=task,
        n_tasks=1,
        reference=reference,
        n_trials=len(group["hit"]),
        n_hits=int(group["hit"].sum()),
        n_lost=int(group["lost"].sum()),
        n_gained=int(group["gained"].sum()),
        penalty=_penalty(_known(group["log_penalty"]), itself=precision == reference),
        floor=_median(group["floor"]),
        floor_ratio=_median(group["floor_ratio"]),
        failures=dict(Counter(sorted(map(str, _said(group["failure"]))))),
        first_failure=_median(group["failed_at"]),
        residual=_largest(group["residual"]),
        drift=_median(group["drift"]),
        stagnation=_median(group["stagnation"]),
        deviation=_median(group["deviation"]),
        state_bytes=_median(group["state"]),
        state_copies=_median(group["copies"]),
        upcast=_joined(group["upcast"]),
    )


def _penalty(logs: Array, *, itself: bool) -> Interval:
    """Return the geometric mean of the paired seeds [n]; of one seed the interval is open, of the reference a point."""
    if len(logs) == 1 and not itself:
        return Interval(value=float(np.exp(logs[0])), low=0.0, high=float("inf"))
    return _geometric_mean(logs)


def _geometric_mean(logs: Array) -> Interval:
    """Return exp of the mean of logs [n] with its interval over resamples of the n."""
    if not len(logs):
        return UNKNOWN
    mean = logs.mean(keepdims=True)
    low, high = percentiles(mean, lambda part: logs[None] @ weights(len(logs)) / len(logs))
    return Interval(value=float(np.exp(mean[0])), low=float(np.exp(low[0])), high=float(np.exp(high[0])))


def over_tasks(rows: tuple[Robustness, ...]) -> tuple[Robustness, ...]:
    """Pool the rows of several tasks, one per optimizer and precision: tasks weigh equally, and are resampled."""
    table = pd.DataFrame({"optimizer": [r.optimizer for r in rows], "row": list(rows)})
    table["precision"] = pd.Categorical([r.precision for r in rows], categories=WIDEST_FIRST)
    groups = table.groupby(["optimizer", "precision"], observed=True)["row"]
    return tuple(_pooled(list(group)) for _, group in groups)


def _pooled(rows: list[Robustness]) -> Robustness:
    told = [row.penalty for row in rows if not np.isnan(row.penalty.value)]
    failures: Counter[str] = Counter()
    for row in rows:
        failures.update(row.failures)
    return Robustness(
        optimizer=rows[0].optimizer,
        precision=rows[0].precision,
        task=None,
        n_tasks=len(rows),
        reference=", ".join(sorted({row.reference for row in rows}, key=WIDEST_FIRST.index)),
        n_trials=sum(row.n_trials for row in rows),
        n_hits=sum(row.n_hits for row in rows),
        n_lost=sum(row.n_lost for row in rows),
        n_gained=sum(row.n_gained for row in rows),
        penalty=told[0] if len(told) == 1 else _geometric_mean(np.log([p.value for p in told])),
        floor=rows[0].floor if len(rows) == 1 else float("nan"),
        floor_ratio=_geometric_mean(_logs([row.floor_ratio for row in rows])).value,
        failures=dict(sorted(failures.items())),
        residual=_largest([row.residual for row in rows]),
        upcast=_joined(row.upcast for row in rows),
        **{name: _median([getattr(row, name) for row in rows]) for name in MEDIANS},
    )


MEDIANS = ("first_failure", "drift", "stagnation", "deviation", "state_bytes", "state_copies")


def _logs(values: list[float]) -> Array:
    found = np.array(values, float)
    logs: Array = np.log(found[np.isfinite(found) & (found > 0.0)])
    return logs


def _median(values: NDArray[Any] | list[float]) -> float:
    """Return the median of what is known; NaN: nothing is."""
    known = _known(values)
    return float(np.median(known)) if len(known) else float("nan")


def _largest(values: NDArray[Any] | list[float]) -> float:
    known = _known(values)
    return float(known.max()) if len(known) else float("nan")


def _known(values: NDArray[Any] | list[float]) -> Array:
    found: Array = np.asarray(values, dtype=float)
    return found[~np.isnan(found)]


def _joined(texts: Iterable[object]) -> str | None:
    return "; ".join(sorted(set(map(str, _said(texts))))) or None


def _said(values: Iterable[object]) -> list[object]:
    """Leave out what is missing: None, or NaN, which is unlike itself."""
    return [value for value in values if value is not None and value == value]
