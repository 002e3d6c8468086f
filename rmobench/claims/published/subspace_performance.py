"""Subspace adaptation reaches the target in fewer iterations than hand-designed first-order optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.cells import CENSORED, by_seed, censored, column, judged, rate, ratio, share_won
from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.metatraining import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUITE = "subspace_heldout_tuned"
OURS = ("subspace_tuned", "subspace_scalefree_tuned")
BASELINES = ("rsgd_tuned", "rsgd_m_tuned", "rasa_tuned", "radam_tuned")
GROUPS = {"pca": "PCA", "stiefel_classification": "Stiefel classification", "orthogonal_cnn": "orthogonal CNN"}
DECIDING = ("pca", "stiefel_classification")


def measure(evidence: Evidence) -> Finding:
    """Compare task by task: the seeds of one task share a setting. Where there is one task, seed by seed."""
    runs = _runs(evidence)
    found = tuple(m for task in GROUPS for ours in OURS for m in _of_group(task, ours, runs[runs["kind"] == task]))
    return Finding(measures=found, n_records=runs["id"].nunique())


def _runs(evidence: Evidence) -> pd.DataFrame:
    """Return the suite's records with the name of the task, without its arguments, as the column kind."""
    return evidence.runs[SUITE].assign(kind=lambda table: table["task"].str.partition("[")[0])


def _of_group(task: str, ours: str, runs: pd.DataFrame) -> Iterator[Measure]:
    cells = "tasks"
    if runs["task"].nunique() == 1:
        cells = "seeds of one task"
        runs = by_seed(runs)
    steps = judged(runs, axis="step")
    unit, name = f"rate, {len(steps)} {cells}", f"{GROUPS[task]}, {ours}"
    mine = column(steps, "ert", ours)
    yield Measure(name=f"{name}: success", value=rate(column(steps, "success", ours)), unit=unit)
    for baseline in BASELINES:
        decides = task in DECIDING and ours == OURS[0]
        theirs = column(steps, "ert", baseline)
        yield Measure(
            name=f"{name}: {cells} won against {baseline}",
            value=share_won(mine, theirs),
            unit=f"share, {(np.isfinite(mine) | np.isfinite(theirs)).sum()} {cells} that either solves",
            threshold=0.5 if decides else None,
            wants="above" if decides else None,
        )
        yield Measure(
            name=f"{name}: iterations relative to {baseline}",
            value=ratio(*censored(steps, runs, ours, baseline)),
            unit=f"ratio, {len(steps)} {cells}, one that is never solved counting {CENSORED:g} budgets",
            threshold=1.0 if decides else None,
            wants="below" if decides else None,
        )
        if ours == OURS[0]:
            success = rate(column(steps, "success", baseline))
            yield Measure(name=f"{GROUPS[task]}: success of {baseline}", value=success, unit=unit)


def figure(evidence: Evidence) -> Figure:
    """Draw the share of (run, rung) reached by iteration, a panel per kind of task; then the recipes' curves."""
    from rmobench.claims.figures import colour, legend, panels, reached

    runs = _runs(evidence)
    drawn, found = panels(len(GROUPS) + 1, width=3.6, height=3.2)
    for axes, (task, said) in zip(found, GROUPS.items(), strict=False):
        mine = runs[runs["kind"] == task]
        for optimizer in (*OURS, *BASELINES):
            reached(axes, mine, optimizer, optimizer)
        axes.set(xscale="log", xlabel="iterations", title=said)
    found[0].set_ylabel("share of (run, rung) reached")
    for run, style in zip(_recipes(evidence), cycle(STYLES), strict=False):
        outer, _, loss = zip(*run.curve, strict=True)
        gain = np.asarray(loss) - loss[0]  # recipes without networks are not validated on any
        found[-1].plot(outer, gain, color=colour(run.architecture), linestyle=style, label=f"recipe {run.recipe}")
    found[-1].set(xlabel="outer steps", title="meta-training", ylabel="validation minus start, log10 of the gap")
    legend(drawn)
    return drawn


STYLES = ("-", "--", ":", "-.")


def _recipes(evidence: Evidence) -> list[Curve]:
    """Return the curves of every recipe that was tried."""
    ours = {name.removesuffix("_tuned") for name in OURS}
    return sorted((run for run in evidence.curves if run.architecture in ours), key=lambda run: run.recipe)


CLAIM = Claim(
    name="subspace_performance",
    source="Yu, Wu, Gao, Fan, Jia 2025, CVIU 253, 104306, arXiv 2501.15235",
    statement="Subspace adaptation needs fewer iterations than hand-designed Riemannian optimizers.",
    measurement="On instances, ranks and data that meta-training never saw, everybody tuned with 16 settings on tuning "
    "seeds for every task, iterations to the headline rung relative to Riemannian gradient descent without and with "
    "momentum, RASA and Riemannian Adam, task by task: more than half of the tasks won and a geometric mean below 1 on "
    "PCA and on Stiefel classification, against each of them. Interval: bootstrap over tasks, over the seeds where a "
    "kind has one task.",
    not_covered="Accuracy on test data, seconds, and networks at the published scale. Baselines with momentum are "
    "among those compared; the published rule has none. Tuning sees the same data from other starts.",
    suites=(SUITE,),
    optimizers=(OURS[0], *BASELINES),
    measure=measure,
    figure=figure,
)
