"""Optimus works at ten times the dimension of its meta-training, without retraining."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.resampling import bootstrap_mean, within
from rmobench.statistics.hits import costs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS = "optimus"
SUITE = "optimus_dimension"
ALSO = ("optimus_functions", "optimus_functions_tuned")
LOSS_MAX = 0.1
"""Share of the rungs that may be lost on the way from the suite's smallest dimension to its largest."""
TICKS = (2, 10, 50, 250)
SHOWN = ("rastrigin", "levy", "ackley", "rosenbrock")


def measure(evidence: Evidence) -> Finding:
    """Compare the share of (trial, rung) reached in both dimensions, function by function."""
    runs = evidence.joined(SUITE)
    others = sorted(set(runs["optimizer"]) - {OURS})
    found = tuple(m for name in (OURS, *others) for m in _of_optimizer(name, runs[runs["optimizer"] == name]))
    return Finding(measures=found, n_records=len(runs))


def _of_optimizer(name: str, runs: pd.DataFrame) -> Iterator[Measure]:
    shares = reached(runs)
    dims = min(shares.columns), max(shares.columns)
    small, large = (shares[dim].to_numpy(float) for dim in dims)
    unit = f"share of rungs reached, {len(shares)} functions"
    decides = name == OURS
    yield Measure(
        name=f"{name}: dimension {dims[1]} minus {dims[0]}",
        value=within(bootstrap_mean(large - small), -1.0, 1.0),
        unit=unit,
        threshold=-LOSS_MAX if decides else None,
        wants="above" if decides else None,
    )
    yield Measure(
        name=f"{name}: dimension {dims[1]}",
        value=within(bootstrap_mean(large), 0.0, 1.0),
        unit=unit,
        threshold=0.0 if decides else None,
        wants="above" if decides else None,
    )
    yield Measure(name=f"{name}: dimension {dims[0]}", value=within(bootstrap_mean(small), 0.0, 1.0), unit=unit)


def reached(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the share of (trial, rung) that one optimizer reached, [function, dim]."""
    place = runs.drop_duplicates("task").set_index("task")[["function", "dim"]]
    table = costs(runs, axis="step").astype({"task": str}).join(place, on="task")
    return table.pivot_table(index="function", columns="dim", values="hit", aggfunc="mean")


def figure(evidence: Evidence) -> Figure:
    """Draw Fig. 1 anew: the relative gap at the end against the dimension, median over the seeds.

    A gap below the hardest rung is drawn there, for nothing below is measured; one that is not finite at 1, where the
    trial began.
    """
    from rmobench.claims.figures import colour, dimensions, legend, panels

    runs = evidence.joined(*ALSO, SUITE)
    hardest = np.array([min(rungs) for rungs in runs["rungs"]])
    runs["gap"] = pd.to_numeric(runs["final"]).fillna(1.0).replace(np.inf, 1.0).clip(lower=hardest)
    medians = runs.groupby(["function", "optimizer", "dim"])["gap"].median().unstack("dim")
    drawn, found = panels(len(SHOWN), width=3.2, height=3.4)
    for axes, name in zip(found, SHOWN, strict=True):
        for optimizer in sorted(set(runs["optimizer"])):
            if (name, optimizer) in medians.index:
                line = medians.loc[(name, optimizer)].dropna()
                axes.plot(line.index, line, "o-", color=colour(optimizer), markersize=3, label=optimizer)
        axes.set(yscale="log", title=name)
        dimensions(axes, TICKS)
    found[0].set_ylabel("relative gap at the end")
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="optimus_dimension",
    source="Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055, abstract and Fig. 1",
    statement="Optimus works in any dimension without retraining.",
    measurement="On the ten functions that it was trained on in at most 25 dimensions, the share of (trial, rung) that "
    "Optimus reaches in 250 dimensions must be no more than 0.1 below the share in 25, and above 0: reaching "
    "nothing anywhere is no success. Intervals: bootstrap over functions.",
    not_covered="Dimensions above 250, functions held out, and whether anything else is better there: the shares of "
    "the others are given for information.",
    suites=(SUITE,),
    optimizers=(OURS,),
    measure=measure,
    figure=figure,
    figure_suites=ALSO,
)
