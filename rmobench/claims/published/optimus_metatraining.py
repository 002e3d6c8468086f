"""Optimus meta-trains in fewer outer steps than Adafactor-MLP."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.metatraining import Curve
from rmobench.claims.resampling import student_mean, through

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, THEIRS = "optimus", "adafactor_mlp"
CENSORED = 2.0
"""A run that never gets there counts this many times its length."""
LEAST = {"outer": 1.0, "seconds": 1e-3}
"""The smallest cost: a rule that is good before the first outer step is not free."""


def measure(evidence: Evidence) -> Finding:
    """Compare the outer steps to the best validation loss of Adafactor-MLP, seed by seed."""
    pairs = paired(evidence)
    if not pairs:
        return Finding(notes=(f"no seed has a curve of both {OURS} and {THEIRS}.",))
    logs = {axis: np.array([_log_ratio(ours, theirs, axis) for ours, theirs in pairs]) for axis in LEAST}
    gain = np.array([best(ours) - best(theirs) for ours, theirs in pairs])
    n = f"{len(pairs)} seeds"
    never = sum(best(ours) > best(theirs) for ours, theirs in pairs)
    return Finding(
        measures=(
            Measure(
                name=f"outer steps to the best validation loss of {THEIRS}",
                value=through(math.exp, student_mean(logs["outer"])),
                unit=f"ratio, {n}",
                threshold=1.0,
                wants="below",
            ),
            Measure(
                name=f"seconds to the best validation loss of {THEIRS}",
                value=through(math.exp, student_mean(logs["seconds"])),
                unit=f"ratio, {n}",
            ),
            Measure(
                name=f"best validation loss minus that of {THEIRS}", value=student_mean(gain), unit=f"log10 gap, {n}"
            ),
        ),
        n_records=2 * len(pairs),
        notes=(f"{OURS} never gets there with {never} of {n}; each counts twice its length.",) if never else (),
    )


def paired(evidence: Evidence) -> list[tuple[Curve, Curve]]:
    """Return the runs of Optimus and Adafactor-MLP of equal seeds."""
    by_seed = {(run.architecture, run.seed): run for run in evidence.curves}
    seeds = sorted({run.seed for run in evidence.curves})
    return [
        (by_seed[OURS, seed], by_seed[THEIRS, seed])
        for seed in seeds
        if (OURS, seed) in by_seed and (THEIRS, seed) in by_seed
    ]


def best(run: Curve) -> float:
    """Return the lowest validation loss."""
    return min(loss for _, _, loss in run.curve)


def spent(run: Curve, target: float, axis: str) -> float:
    """Return the outer steps or seconds at the first validation at or below the target, else CENSORED times all."""
    column = list(LEAST).index(axis)
    hits = [point[column] for point in run.curve if point[2] <= target]
    return max(LEAST[axis], hits[0] if hits else CENSORED * run.curve[-1][column])


def _log_ratio(ours: Curve, theirs: Curve, axis: str) -> float:
    target = best(theirs)
    return math.log(spent(ours, target, axis) / spent(theirs, target, axis))


def figure(evidence: Evidence) -> Figure:
    """Draw the validation loss against outer steps and seconds, a line per run."""
    from rmobench.claims.figures import colour, legend, panels

    drawn, found = panels(2, width=4.5, height=3.4)
    for axes, axis, name in zip(found, LEAST, ("outer steps", "seconds"), strict=True):
        for run in (run for run in evidence.curves if run.architecture in (OURS, THEIRS)):
            table = pd.DataFrame(run.curve, columns=[*LEAST, "loss"])
            hue = colour(run.architecture)
            axes.plot(table[axis], table["loss"], color=hue, linewidth=1.0, label=run.architecture)
        axes.set(xlabel=name, ylabel="validation loss, log10 of the gap")
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="optimus_metatraining",
    source="Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055",
    statement="Optimus reaches a given validation meta-loss in fewer outer steps than Adafactor-MLP.",
    measurement="Both are meta-trained with equal stages from several seeds. The target is the best validation loss of "
    "Adafactor-MLP with the same seed; a run of Optimus that misses it counts twice its length. The geometric mean of "
    "the ratio of outer steps must be below 1. Interval: Student's t over the logarithms.",
    not_covered="Meta-training by PES at the published scale; an outer step of Optimus takes longer, see the ratio of "
    "seconds.",
    metatraining=True,
    measure=measure,
    figure=figure,
)
