"""Optimus reaches a predefined minimum in fewer iterations than Adam, BFGS and Adafactor-MLP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.cells import column, judged, rate, ratio, share_won
from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS = "optimus"
BASELINES = ("adam_tuned", "adam_tuned_once", "bfgs", "lbfgs", "adafactor_mlp")
DECIDING = ("adam_tuned", "bfgs", "adafactor_mlp")
FUNCTIONS = ("optimus_functions", "optimus_functions_tuned")
HELDOUT = ("optimus_heldout", "optimus_heldout_tuned")
EDGE = 1.5
"""Where cells that only one of the two solves are marked: this factor beyond the farthest ratio."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Cells that are judged together."""

    name: str
    runs: pd.DataFrame
    decides: bool = False


def measure(evidence: Evidence) -> Finding:
    """Compare Optimus with every baseline on every group of cells."""
    functions, heldout = evidence.joined(*FUNCTIONS), evidence.joined(*HELDOUT)
    in_training = (functions["function"].isin(evidence.trained_on), heldout["function"].isin(evidence.trained_on))
    groups = (
        Group(name="all functions", runs=functions, decides=True),
        Group(name="functions trained on", runs=functions[in_training[0]]),
        Group(name="functions held out", runs=functions[~in_training[0]]),
        Group(name="new instances of functions trained on", runs=heldout[in_training[1]]),
        Group(name="new instances of functions held out", runs=heldout[~in_training[1]]),
    )
    found = tuple(m for group in groups if not group.runs.empty for m in _of_group(group))
    return Finding(measures=found, n_records=functions["id"].nunique() + heldout["id"].nunique())


def _of_group(group: Group) -> Iterator[Measure]:
    steps, calls = judged(group.runs, axis="step"), judged(group.runs, axis="n_grad")
    unit = f"rate, {len(steps)} cells"
    yield Measure(name=f"{group.name}: success of {OURS}", value=rate(column(steps, "success", OURS)), unit=unit)
    for baseline in BASELINES:
        decides = group.decides and baseline in DECIDING
        ours, theirs = column(steps, "ert", OURS), column(steps, "ert", baseline)
        solved = np.isfinite(ours), np.isfinite(theirs)
        both = f"ratio, {(solved[0] & solved[1]).sum()} cells that both solve"
        yield Measure(
            name=f"{group.name}: cells won against {baseline}",
            value=share_won(ours, theirs),
            unit=f"share, {(solved[0] | solved[1]).sum()} cells that either solves",
            threshold=0.5 if decides else None,
            wants="above" if decides else None,
        )
        yield Measure(
            name=f"{group.name}: iterations relative to {baseline}",
            value=ratio(ours, theirs),
            unit=both,
            threshold=1.0 if decides else None,
            wants="below" if decides else None,
        )
        in_calls = ratio(column(calls, "ert", OURS), column(calls, "ert", baseline))
        yield Measure(name=f"{group.name}: oracle calls relative to {baseline}", value=in_calls, unit=both)
        success = rate(column(steps, "success", baseline))
        yield Measure(name=f"{group.name}: success of {baseline}", value=success, unit=unit)


def figure(evidence: Evidence) -> Figure:
    """Draw Fig. 4 anew: iterations to the headline rung relative to Optimus, by function and baseline.

    A mark is the geometric mean over the dimensions that both solve: hollow if only one of the two solves some other
    dimension. At the upper edge: only Optimus solves any; at the lower edge: only the baseline does; a grey cross:
    neither does.
    """
    from rmobench.claims.figures import legend, panels

    runs = evidence.joined(*FUNCTIONS)
    erts = judged(runs, axis="step")["ert"]
    by_function = erts.groupby(runs.groupby("task")["function"].first())
    drawn, (axes,) = panels(1, width=11.0, height=4.5)
    names = sorted(runs["function"].unique())
    relative = {name: {b: _relative(group[OURS], group[b]) for b in BASELINES} for name, group in by_function}
    finite = [mean for marks in relative.values() for mean, _ in marks.values() if 0.0 < mean < np.inf]
    edges = min([1.0, *finite]) / EDGE, max([1.0, *finite]) * EDGE
    for offset, baseline in zip(np.linspace(-0.3, 0.3, len(BASELINES)), BASELINES, strict=True):
        for x, name in enumerate(names):
            _mark(axes, x + offset, relative[name][baseline], edges, baseline)
    axes.axhline(1.0, color="tab:blue", linewidth=1.0)
    axes.set(yscale="log", ylabel="iterations / iterations of optimus", xlim=(-0.6, len(names) - 0.4))
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_title(
        "○ some dimensions solved by one only · ▲ only by optimus · ▼ only by the baseline · × by neither", fontsize=9
    )
    legend(drawn)
    return drawn


def _relative(ours: pd.Series, theirs: pd.Series) -> tuple[float, bool]:
    """Return theirs / ours as geometric mean, and whether every cell that either solves is solved by both.

    inf: only ours are solved; 0: only theirs; NaN: none.
    """
    a, b = ours.to_numpy(float), theirs.to_numpy(float)
    both, either = np.isfinite(a) & np.isfinite(b), np.isfinite(a) | np.isfinite(b)
    if both.any():
        return float(np.exp(np.log(b[both] / a[both]).mean())), bool(both.sum() == either.sum())
    return (np.inf if np.isfinite(a).any() else 0.0 if np.isfinite(b).any() else np.nan), False


def _mark(axes: Axes, x: float, relative: tuple[float, bool], edges: tuple[float, float], baseline: str) -> None:
    from rmobench.claims.figures import colour

    mean, whole = relative
    hue = colour(baseline)
    axes.plot([], [], "o", color=hue, label=baseline)  # the legend, whatever the mark is
    if np.isnan(mean):
        axes.plot(x, 1.0, "x", color="tab:gray", markersize=4)
        return
    shape = "^" if np.isinf(mean) else "v" if mean == 0.0 else "o"
    filled = whole or shape != "o"
    axes.plot(x, np.clip(mean, *edges), shape, color=hue, markerfacecolor=hue if filled else "none", markersize=5)


CLAIM = Claim(
    name="optimus_iterations",
    source="Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055, Fig. 4",
    statement="On classical functions Optimus needs fewer iterations to a predefined minimum than Adam, BFGS and "
    "Adafactor-MLP.",
    measurement="A cell is a function in one dimension. Iterations are the expected running time to the "
    "cell's headline rung. Against Adam (best of 16 settings on every cell), BFGS and Adafactor-MLP over all 18 "
    "functions, Optimus must win more than half of the cells that either solves, and the geometric mean of the ratio "
    "of iterations over the cells that both solve must be below 1. Intervals: bootstrap over cells.",
    not_covered="The published weights and code do not exist; this is our reconstruction, trained at a fraction of the "
    "published scale. Targets, budget and dimensions are ours. Cells of one function in several dimensions count as "
    "independent. An iteration of BFGS can take several oracle calls; the ratio of calls is given beside it.",
    suites=(*FUNCTIONS, *HELDOUT),
    optimizers=(OURS, *BASELINES),
    measure=measure,
    figure=figure,
)
