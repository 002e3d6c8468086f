"""A rank that adapts finds the rank that the problem has, and pays for no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.resampling import bootstrap_mean, student_mean
from rmobench.registry import parse_selector
from rmobench.statistics.hits import at_rung, costs
from rmobench.statistics.intervals import success_rate
from rmobench.types import Interval, Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUITE = "rank_adaptivity"
LANGUAGE = "rank_adaptivity_language"
GAP = 1e-6
PLANTED = 5.0
"""Rank of the planted matrix."""
ADAPTIVE = ("lr_heavy_ball", "geolora", "dlrt")
TOLERANCES = ("theta", "tau")
"""Options that let the rank adapt, by method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A method at its best step length, with its tolerance or in a layer of fixed columns."""

    method: str
    tolerance: float  # 0: the rank stays
    columns: int | None  # of the layer, as the task says
    label: str
    found: Interval  # share of the seeds that reach the gap with no more columns than the planted matrix has
    rank: Interval  # at the end
    final: Interval  # log10 of the gap, or the loss, at the end


def measure(evidence: Evidence) -> Finding:
    """Take every tolerance and every fixed rank at its best step length."""
    runs = evidence.runs[SUITE]
    ways = best_ways(runs, log=True)
    measures = list(_of(ways))
    n_records = runs["id"].nunique()
    if LANGUAGE in evidence.runs:
        more = evidence.runs[LANGUAGE]
        measures += _informing(best_ways(more, log=False), "validation loss")
        n_records += more["id"].nunique()
    return Finding(measures=tuple(measures), n_records=n_records)


def best_ways(runs: pd.DataFrame, *, log: bool) -> list[Way]:
    """Choose every way's step length by the lowest mean of what was reached at the end.

    Args:
        runs: One row per trial; the final rank is among what the optimizer said of itself.
        log: Of a gap; otherwise a loss is taken as it is.
    """
    hits = at_rung(costs(runs.assign(optimizer=runs["id"].astype(str)), axis="step"), GAP) if log else None
    reached = dict(zip(map(str, hits["optimizer"]), hits["hit"], strict=True)) if hits is not None else {}
    worst = float(pd.to_numeric(runs["final"]).max())
    final = pd.to_numeric(runs["final"]).fillna(worst).to_numpy(float)
    ways = [_way(str(label), str(task)) for label, task in zip(runs["optimizer"], runs["task"], strict=True)]
    table = runs.assign(
        rank=[says.get("rank", np.nan) for says in runs["diagnostics"]],
        reached=[bool(reached.get(str(i), False)) for i in runs["id"]],
        final=np.log10(np.maximum(final, 1e-16)) if log else final,
    )
    chosen = []
    for way in dict.fromkeys(ways):
        method, tolerance, columns = way
        group = table[[found == way for found in ways]]
        by_label = {str(label): rows for label, rows in group.groupby("optimizer", sort=False)}
        label = min(by_label, key=lambda name: float(by_label[name]["final"].mean()))
        rows = by_label[label]
        found = (rows["reached"] & (rows["rank"] <= PLANTED)).sum()
        interval = bootstrap_mean if len(rows) >= 5 else student_mean
        chosen.append(
            Way(
                method=method,
                tolerance=tolerance,
                columns=columns,
                label=label,
                found=success_rate(int(found), len(rows)),
                rank=interval(rows["rank"].to_numpy(float)),
                final=interval(rows["final"].to_numpy(float)),
            )
        )
    return chosen


def _way(label: str, task: str) -> tuple[str, float, int | None]:
    name, options = parse_selector(label)
    tolerance = next((_number(options[key]) for key in TOLERANCES if key in options), 0.0)
    args = parse_selector(task)[1]
    columns = args.get("columns", args.get("rank"))
    return name, tolerance, None if columns is None else int(_number(columns))


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def said(way: Way) -> str:
    """Name a way."""
    if way.tolerance:
        return f"{way.method}, tolerance {way.tolerance:g}"
    return f"{way.method}, {way.columns} columns"


def _of(ways: list[Way]) -> Iterator[Measure]:
    """Yield what decides, each method at the tolerance that finds the rank most often, and all the rest."""
    best = {
        method: max((w for w in ways if w.method == method and w.tolerance), key=lambda w: w.found.value)
        for method in ADAPTIVE
    }
    for method, way in best.items():
        yield Measure(
            name=f"{method}: reached a gap of {GAP:g} with at most {PLANTED:g} columns",
            value=way.found,
            unit=f"share of the seeds, {way.label}",
            threshold=0.5,
            wants="above",
        )
    yield from _informing(ways, "log10 of the gap")


def _informing(ways: list[Way], what: str) -> Iterator[Measure]:
    for way in ways:
        yield Measure(name=f"{said(way)}: columns at the end", value=way.rank, unit=f"mean over the seeds, {way.label}")
        yield Measure(name=f"{said(way)}: {what} at the end", value=way.final, unit="mean over the seeds")


def figure(evidence: Evidence) -> Figure:
    """Draw what was reached against the columns at the end, fixed ranks joined, a panel per suite."""
    from rmobench.claims.figures import colour, legend, panels

    shown = [(SUITE, True, "log10 of the gap")]
    shown += [(LANGUAGE, False, "validation loss")] if LANGUAGE in evidence.runs else []
    drawn, axes_of = panels(len(shown), width=4.4, height=3.4)
    for axes, (suite, log, what) in zip(axes_of, shown, strict=True):
        ways = best_ways(evidence.runs[suite], log=log)
        fixed = sorted((w.rank.value, w.final.value) for w in ways if not w.tolerance and w.method == ADAPTIVE[0])
        axes.plot(*np.array(fixed).reshape(-1, 2).T, "o-", color="black", label="fixed columns")
        for method in ADAPTIVE:
            points = [(w.rank.value, w.final.value) for w in ways if w.tolerance and w.method == method]
            ranks, finals = np.array(points).reshape(-1, 2).T
            axes.plot(ranks, finals, "x", color=colour(method), label=method)
        axes.set(xlabel="columns at the end", ylabel=what)
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="rank_adaptivity",
    source="Schotthofer et al. 2022, NeurIPS, arXiv 2205.13571 (DLRT); Schotthofer et al. 2025, ICLR, arXiv 2410.18720 "
    "(GeoLoRA)",
    statement="With a tolerance, methods of low rank find the rank that a problem has, at no cost in what they reach.",
    measurement="A planted matrix of rank 5 and condition 10 in a layer of 12 columns: the heavy ball on the manifold, "
    "GeoLoRA and DLRT with four tolerances, five step lengths and five seeds each, 300 gradients. At its best "
    "tolerance each must reach a gap of 1e-6 with at most 5 columns on more than half of the seeds (Wilson's "
    "interval). Beside it what layers of 2 to 12 fixed columns reach, and which tolerances cut too much.",
    not_covered="The best step length and tolerance are chosen on the seeds that are reported, for everybody. A "
    "spectrum that ends at the rank is kind to a threshold; where it does not end, as in networks, loss is paid for "
    "columns: the byte-level GPT, where its records are.",
    suites=(SUITE,),
    figure_suites=(LANGUAGE,),
    measure=measure,
    figure=figure,
)
