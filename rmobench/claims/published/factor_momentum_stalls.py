"""Momentum on the factors stalls on ill-conditioned targets; momentum on the manifold does not feel the condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.grids import Best, best_of_grid
from rmobench.registry import parse_selector
from rmobench.types import Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUITE = "lowrank_certified"
GAP = 1e-8
OURS = "lr_heavy_ball"
FACTORS = ("factor_heavy_ball", "factor_adam")
METHODS = (OURS, *FACTORS, "scaled_gd")
PROBLEMS = {"low_rank_approximation": "approximation", "reduced_rank_regression": "regression"}
HARD = 100.0
SOON = 200.0
"""Iterations within which the published method reached the gap."""


def measure(evidence: Evidence) -> Finding:
    """Take every method at its best setting on every problem."""
    runs = evidence.runs[SUITE]
    found = best_of_grid(runs, rung=GAP)
    measures: list[Measure] = []
    for (task, method), best in found.items():
        name, args = parse_selector(task)
        if name in PROBLEMS:
            measures += _of(f"{PROBLEMS[name]}, condition {args['kappa']}", method, best, args)
    settings = ", ".join(f"{task.partition('[')[0]} {best.setting}" for (task, _), best in found.items())
    return Finding(measures=tuple(measures), n_records=runs["id"].nunique(), notes=(f"Best settings: {settings}.",))


def _of(said: str, method: str, best: Best, args: dict[str, Value]) -> Iterator[Measure]:
    hard = args["kappa"] == HARD
    stalls, arrives = hard and method == FACTORS[0], hard and method == OURS
    yield Measure(
        name=f"{said}, {method}: reached the gap",
        value=best.success,
        unit=f"share of the seeds at the best of {best.n_settings} settings",
        threshold=0.5 if stalls or arrives else None,
        wants="below" if stalls else "above" if arrives else None,
    )
    yield Measure(
        name=f"{said}, {method}: iterations to the gap",
        value=best.iterations,
        unit="mean over the seeds that reach it",
        threshold=SOON if arrives else None,
        wants="below" if arrives else None,
    )


def figure(evidence: Evidence) -> Figure:
    """Draw the iterations of every method at its best setting against the condition, a panel per problem."""
    from rmobench.claims.figures import colour, legend, panels

    found = best_of_grid(evidence.runs[SUITE], rung=GAP)
    drawn, axes_of = panels(len(PROBLEMS), width=3.6, height=3.2)
    for axes, (problem, said) in zip(axes_of, PROBLEMS.items(), strict=True):
        for method in METHODS:
            points = [
                (float(str(parse_selector(task)[1]["kappa"])), best.iterations.value)
                for (task, name), best in found.items()
                if name == method and parse_selector(task)[0] == problem and best.success.value > 0.5
            ]
            kappas, steps = np.array(sorted(points)).reshape(-1, 2).T
            axes.plot(kappas, steps, "o-", color=colour(method), label=method)
        axes.set(xscale="log", yscale="log", xlabel="condition of the target", title=said)
    axes_of[0].set_ylabel(f"iterations to {GAP:g}; none: not reached")
    legend(drawn)
    return drawn


CLAIM = Claim(
    name="factor_momentum_stalls",
    source="after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475",
    statement="Momentum on the factors stalls on ill-conditioned low-rank problems; on the manifold it does not.",
    measurement="Low-rank approximation and reduced-rank regression with targets of condition 10 and 100, ten settings "
    "for everybody, ten seeds, gap 1e-8. At condition 100 the heavy ball on the factors must fail on most seeds at "
    "every setting, and the heavy ball on the manifold arrive on most, within 200 iterations, at its best one. Of the "
    "success rates Wilson's intervals, of the iterations a bootstrap over the seeds.",
    not_covered="The best setting is chosen on the seeds that are reported, for everybody. The start is ten times as "
    "large as the target, which makes factors of different curvature; from a start of its size the factors fare "
    "better. Networks, and noise. Where the manifold loses: lowrank_counterexample.",
    suites=(SUITE,),
    measure=measure,
    figure=figure,
)
