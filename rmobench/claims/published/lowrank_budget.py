"""At an equal budget of parameters, does momentum on the manifold reach a lower validation loss than LoRA?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.resampling import bootstrap_mean, student_mean, through

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

SUITE = "language"
PAIRS = {"lr_heavy_ball": "lora_heavy_ball", "lr_adam_tangent": "lora_adamw", "lr_adam_core": "lora_adamw"}
"""What is claimed to be better, and the same method on LoRA's factors."""
BASELINE = "lora_adamw"
ALIKE = 0.1
"""Share by which numbers of parameters may differ and count as an equal budget."""
SPENT = {"n_grad": "after as many calls", "time_s": "after as many seconds"}


def measure(evidence: Evidence) -> Finding:
    """Compare losses by task and seed, where the shorter run of each pair ends."""
    runs = _runs(evidence)
    found: list[Measure] = []
    for axis, said in SPENT.items():
        for method in _methods(runs):
            decides = PAIRS.get(method)
            for other in dict.fromkeys(name for name in (decides, BASELINE) if name not in (None, method)):
                log_ratios = np.log(_pairs(runs, method, str(other), axis=axis))
                found.append(
                    Measure(
                        name=f"{method}: validation loss relative to {other} {said}",
                        value=through(math.exp, bootstrap_mean(log_ratios)),
                        unit=f"ratio, {len(log_ratios)} (task, seed)",
                        threshold=1.0 if other == decides else None,
                        wants="below" if other == decides else None,
                    )
                )
    return Finding(measures=tuple(found), n_records=runs["id"].nunique(), notes=(*_leaders(runs), *_budgets(runs)))


def _runs(evidence: Evidence) -> pd.DataFrame:
    return evidence.runs[SUITE].assign(method=evidence.runs[SUITE]["optimizer"].astype(str).str.partition("[")[0])


def _methods(runs: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(runs["method"]))


def loss_at(row: pd.Series, spent: float, *, axis: str) -> float:
    """Return the validation loss when so much was spent, linear between the points that were kept.

    After a loss that is no number it is that of the start: whoever diverged has learned nothing.
    """
    x, y = np.asarray(row[f"trace_{axis}"], float), np.asarray(row["trace_metric"], float)
    return float(np.interp(spent, x, np.where(np.isfinite(y), y, y[0])))


def _pairs(runs: pd.DataFrame, ours: str, theirs: str, *, axis: str) -> Array:
    """Return ours / theirs [pairs] over the (task, seed) of both."""
    rows = [runs[runs["method"] == name].set_index(["task", "seed"]) for name in (ours, theirs)]
    found = []
    for key in rows[0].index.intersection(rows[1].index):
        pair = [table.loc[key] for table in rows]
        spent = min(float(np.asarray(row[f"trace_{axis}"], float)[-1]) for row in pair)
        losses = [loss_at(row, spent, axis=axis) for row in pair]
        found.append(losses[0] / losses[1])
    return np.array(found, float)


def _leaders(runs: pd.DataFrame) -> Iterator[str]:
    """Say who has the lowest loss on a task at the end, and from whom it cannot be told: Student's t over the seeds."""
    for task, group in runs.groupby("task", sort=False):
        ends = {
            str(name): pd.Series(
                [loss_at(row, math.inf, axis="n_grad") for _, row in rows.iterrows()], index=rows["seed"].to_numpy()
            )
            for name, rows in group.groupby("method", sort=False)
        }
        ranked = sorted(ends, key=lambda name: float(ends[name].mean()))
        first = ranked[0]
        tied = [
            name
            for name in ranked[1:]
            if student_mean(np.asarray((ends[name] - ends[first]).dropna(), dtype=np.float64)).low <= 0.0
        ]
        said = ", ".join(f"{name} {ends[name].mean():.4f}" for name in ranked)
        verdict = f"no winner: {first} cannot be told from {', '.join(tied)}" if tied else f"{first} leads"
        yield f"{task}, mean loss over the seeds: {said}; {verdict}."


def _budgets(runs: pd.DataFrame) -> Iterator[str]:
    """Name whoever trains another number of parameters than LoRA."""
    n_params = runs.astype({"n_params": float}).groupby(["task", "method"], sort=False)["n_params"].median()
    for method in _methods(runs):
        shares = [
            float(of_task[:, method].iloc[0] / of_task[:, BASELINE].iloc[0])
            for _, of_task in n_params.groupby("task", sort=False)
            if {method, BASELINE} <= set(of_task.index.get_level_values("method"))
        ]
        if shares and max(abs(share - 1.0) for share in shares) > ALIKE:
            times = f"{min(shares):.3g} to {max(shares):.3g} times"
            yield f"Not at an equal budget: {method} trains {times} as many numbers."


def figure(evidence: Evidence) -> Figure:
    """Draw the validation loss against calls, the median of the seeds, a panel per task."""
    from rmobench.claims.figures import colour, legend, panels

    runs = _runs(evidence)
    tasks = list(runs["task"].unique())
    drawn, axes_of = panels(len(tasks), width=4.4, height=3.4)
    for axes, task in zip(axes_of, tasks, strict=True):
        for method in _methods(runs):
            rows = runs[(runs["task"] == task) & (runs["method"] == method)]
            if len(rows):
                calls = np.unique(np.concatenate([np.asarray(x, float) for x in rows["trace_n_grad"]]))
                losses = [[loss_at(row, n, axis="n_grad") for n in calls] for _, row in rows.iterrows()]
                axes.plot(calls, np.median(losses, axis=0), color=colour(method), label=method)
        axes.set(xlabel="gradients", title=str(task).partition("[")[0])
    axes_of[0].set_ylabel("validation loss")
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="lowrank_budget",
    source="Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475, abstract (v3)",
    statement="At an equal budget of parameters, momentum on the manifold of low rank reaches lower validation losses.",
    measurement="Fine-tuning of a byte-level GPT and of MiniLM by adapters of one rank, everybody with the "
    "best of five learning rates, half a decade apart, for every task on a tuning seed (which reaches the headline "
    "first, then whose loss is lowest), then three other seeds. The heavy ball on the manifold against that on "
    "LoRA's factors, and both forms of its Adam against LoRA by AdamW: validation loss after as many gradients and "
    "after as many seconds, where the shorter of the two runs ends. All six ratios must lie below 1. Interval: "
    "bootstrap over (task, seed). All others are compared with LoRA by AdamW; where an interval holds 1 there is no "
    "winner.",
    not_covered="Larger models, longer runs and accuracy. Between the judged points that are kept the loss is taken as "
    "linear. Seconds are those of two CPU cores. A core S adds r^2 numbers to a layer's (m + n) r; forms that widen "
    "their bases within a step hold twice the columns then, and are named in the notes.",
    suites=(SUITE,),
    trace=True,
    measure=measure,
    figure=figure,
)
