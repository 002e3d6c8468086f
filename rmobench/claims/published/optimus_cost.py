"""A step of Optimus costs time and memory quadratic in the dimension."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.growth import by_dimension, slope
from rmobench.claims.resampling import bootstrap_mean, through
from rmobench.statistics.facts import environments
from rmobench.statistics.hits import seconds_per

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, RIVAL = "optimus", "adam"
SUITE = "optimus_cost"
STATE_SLOPE = (1.9, 2.1)
"""Quadratic is a slope of 2; vectors beside the matrix bend it below."""
STEP_SLOPE_MIN = 1.5
"""A step is dearer than linear; what does not depend on the dimension hides in it."""
QUANTITIES = {"step_s": "seconds per step", "state_bytes": "bytes of state"}


def measure(evidence: Evidence) -> Finding:
    """Take slopes of state and step time, and the time of a step relative to Adam."""
    runs = timed(evidence)
    places = environments(runs)
    if len(places) > 1:
        listed = "; ".join(places)
        return Finding(
            n_records=len(runs),
            notes=(f"times of {len(places)} environments are not comparable: {listed}. Run {SUITE} anew on one.",),
        )
    found = {name: _tables(group) for name, group in runs.groupby("optimizer")}
    state, step = found[OURS]["state_bytes"], found[OURS]["step_s"]
    top = " to ".join(map(str, step.index[-2:]))
    name, unit = f"{OURS}: bytes of state", "log-log slope"
    measures = (
        Measure(name=name, value=slope(state), unit=unit, threshold=STATE_SLOPE[0], wants="above"),
        Measure(name=name, value=slope(state), unit=unit, threshold=STATE_SLOPE[1], wants="below"),
        Measure(
            name=f"{OURS}: seconds per step, dimension {top}",
            value=slope(step.iloc[-2:]),
            unit=unit,
            threshold=STEP_SLOPE_MIN,
            wants="above",
        ),
        Measure(name=f"{OURS}: seconds per step", value=slope(step), unit=unit),
        *_overhead(step, found[RIVAL]["step_s"]),
    )
    beside = sorted(set(runs["jobs"].dropna().astype(int)) - {1})
    notes = tuple(f"times were measured with {n} trials at once; -j 1 times best." for n in beside)
    return Finding(measures=measures, n_records=len(runs), notes=notes)


def timed(evidence: Evidence) -> pd.DataFrame:
    """Return the records with the seconds of a step, step_s."""
    runs = evidence.joined(SUITE)
    return runs.assign(step_s=seconds_per(runs, "step"))


def _tables(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {name: by_dimension(runs, name) for name in QUANTITIES}


def _overhead(ours: pd.DataFrame, theirs: pd.DataFrame) -> Iterator[Measure]:
    seeds = ours.columns.intersection(theirs.columns)
    for dim in ours.index:
        logs = np.log(ours.loc[dim, seeds].to_numpy(float) / theirs.loc[dim, seeds].to_numpy(float))
        value = through(math.exp, bootstrap_mean(logs, least=2))
        yield Measure(name=f"{OURS}: step relative to {RIVAL}, dimension {dim}", value=value, unit="ratio of seconds")


def figure(evidence: Evidence) -> Figure:
    """Draw seconds per step and bytes of state against the dimension, geometric means over the seeds."""
    from rmobench.claims.figures import colour, dimensions, legend, panels

    drawn, found = panels(len(QUANTITIES), width=4.5, height=3.4)
    runs = timed(evidence)
    for optimizer, mine in runs.groupby("optimizer"):
        for axes, name in zip(found, QUANTITIES, strict=True):
            line = np.exp(np.log(by_dimension(mine, name)).mean(axis=1))
            hue = colour(str(optimizer))
            axes.plot(line.index, line, "o-", color=hue, markersize=3, label=optimizer)
            if optimizer == OURS and len(line):
                guide = line.iloc[-1] * (line.index.to_numpy(float) / line.index[-1]) ** 2
                axes.plot(line.index, guide, ":", color=hue, label="slope 2")
    for axes, said in zip(found, QUANTITIES.values(), strict=True):
        axes.set(yscale="log", ylabel=said)
        dimensions(axes, sorted(set(runs["dim"])))
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="optimus_cost",
    source="Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055",
    statement="A step of Optimus takes time and memory quadratic in the number of parameters.",
    measurement="On the sphere in 125 to 1000 dimensions, the log-log slope of the bytes of state must lie in "
    "[1.9, 2.1], and that of the seconds per step between the two largest dimensions above 1.5. Intervals: bootstrap "
    "over seeds.",
    not_covered="Accelerators, and dimensions where the matrix no longer fits into the cache or into memory; an upper "
    "end of the slope of time.",
    suites=(SUITE,),
    optimizers=(OURS, RIVAL),
    measure=measure,
    figure=figure,
)
