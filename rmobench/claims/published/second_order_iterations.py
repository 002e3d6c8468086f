"""Inverse-free second-order methods need fewer iterations than AdamW and SGD, in float32 and in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.cells import CENSORED, by_seed, censored, column, judged, outcomes, ratio, share_won
from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.statistics.intervals import success_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TUNED = ("second_order_tuned", "second_order_bf16_tuned")
DEFAULTS = ("second_order",)
CONTROLS = "second_order_controls"
OURS = ("kfac", "ingd", "ikfac", "singd", "singd_hierarchical")
DECIDING = ("ingd", "singd")
BASELINES = ("adamw", "sgd")
ENDING = "_tuned"
RESTING = "_resting"
"""Ending of a control: the method with factors that stay at the identity, which is the heavy ball."""


def measure(evidence: Evidence) -> Finding:
    """Compare seed by seed on every task, at every precision, at defaults and tuned."""
    runs = outcomes(pd.concat([evidence.runs[name].assign(suite=name) for name in (*DEFAULTS, *TUNED)]))
    controls = evidence.runs[CONTROLS]
    found: list[Measure] = []
    for (suite, precision), group in runs.groupby(["suite", "precision"], sort=False):
        tuned = suite in TUNED
        said = f"{precision}, {'tuned' if tuned else 'defaults'}"
        found += list(_of(group, said, ending=ENDING if tuned else "", decides=tuned))
        if tuned:
            resting = controls[controls["precision"] == precision]
            found += list(_controlled(pd.concat([group, resting]), said))
    return Finding(measures=tuple(found), n_records=pd.concat([runs["id"], controls["id"]]).nunique())


def _of(runs: pd.DataFrame, said: str, *, ending: str, decides: bool) -> Iterator[Measure]:
    for name in (*OURS, *BASELINES):
        mine = runs[runs["optimizer"] == name + ending]
        if n := len(mine):
            failed = success_rate(int(mine["failed"].sum()), n)
            yield Measure(name=f"{said}, {name}: failed", value=failed, unit=f"share of {n} trials")
            hit = success_rate(int(mine["hit"].sum()), n)
            yield Measure(name=f"{said}, {name}: reached the target", value=hit, unit=f"share of {n} trials")
    cells = by_seed(runs)
    for axis, counted in (("step", "iterations"), ("time_s", "seconds")):
        erts = judged(cells, axis=axis)
        for ours in OURS:
            for baseline in BASELINES:
                pair = [column(erts, "ert", name + ending) for name in (ours, baseline)]
                either = int((np.isfinite(pair[0]) | np.isfinite(pair[1])).sum())
                deciding = decides and axis == "step" and ours in DECIDING
                yield Measure(
                    name=f"{said}, {ours}: won against {baseline} in {counted}",
                    value=share_won(*pair),
                    unit=f"share, {either} (task, seed) that either solves",
                    threshold=0.5 if deciding else None,
                    wants="above" if deciding else None,
                )
                if axis == "step":
                    finite = list(censored(erts, cells, ours + ending, baseline + ending))
                    unit = f"ratio, {len(erts)} (task, seed), a miss counting {CENSORED:g} budgets"
                else:
                    finite, unit = pair, "ratio, (task, seed) that both solve"
                yield Measure(name=f"{said}, {ours}: {counted} relative to {baseline}", value=ratio(*finite), unit=unit)


def _controlled(runs: pd.DataFrame, said: str) -> Iterator[Measure]:
    """Yield what the factors gain: iterations relative to the same method with factors that rest at the identity."""
    cells = by_seed(runs)
    erts = judged(cells, axis="step")
    for ours in OURS:
        if ours + RESTING in set(runs["optimizer"]):
            unit = f"ratio, (task, seed) with a control, a miss counting {CENSORED:g} budgets"
            yield Measure(
                name=f"{said}, {ours}: iterations relative to itself with factors at rest",
                value=ratio(*censored(erts, cells, ours + ENDING, ours + RESTING)),
                unit=unit,
            )


def figure(evidence: Evidence) -> Figure:
    """Draw the share of (run, rung) reached by iteration when tuned, a panel per precision."""
    from rmobench.claims.figures import legend, panels, reached

    drawn, found = panels(len(TUNED), width=4.2, height=3.4)
    for axes, suite in zip(found, TUNED, strict=True):
        runs = evidence.runs[suite]
        for name in (*OURS, *BASELINES):
            reached(axes, runs, name + ENDING, name)
        axes.set(
            xscale="log", xlabel="iterations", title=", ".join(sorted(runs["precision"].unique())), ylim=(0.0, 1.0)
        )
    found[0].set_ylabel("share of (run, rung) reached")
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="second_order_iterations",
    source="Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML (SINGD), arXiv 2312.05705",
    statement="Inverse-free second-order methods train in fewer iterations than AdamW and SGD, also in half precision.",
    measurement="Everybody tuned with 16 settings on a tuning seed for every task and precision; then iterations to "
    "the headline rung on five other seeds. Dense (ingd) and diagonal factors (singd) must both win more than half of "
    "the (task, seed) that either solves against AdamW and against SGD with momentum, in float32 and in bfloat16. "
    "Interval: bootstrap over (task, seed). Failures are counted for everybody. Controls: the winners with factors "
    "that rest, which is the heavy ball at their learning rate and momentum.",
    not_covered="Accuracy on test data, and networks at the published scale. Seeds of one task count as independent. "
    "SGD's declared range of learning rates is two decades wider, so fewer of its 16 settings fall where it works. "
    "Seconds are those of two CPU cores.",
    suites=(*DEFAULTS, *TUNED, CONTROLS),
    measure=measure,
    figure=figure,
)
