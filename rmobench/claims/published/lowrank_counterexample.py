"""Completion from a random start is where momentum on the manifold loses to momentum on the factors."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.grids import best_of_grid

SUITE = "lowrank_certified"
GAP = 1e-8
PROBLEM = "matrix_completion"
LOSES, WINS = "lr_heavy_ball", "factor_heavy_ball"


def measure(evidence: Evidence) -> Finding:
    """Take every method at its best setting."""
    runs = evidence.runs[SUITE]
    runs = runs[runs["task"].str.startswith(PROBLEM)]
    return Finding(measures=tuple(_measures(runs)), n_records=runs["id"].nunique())


def _measures(runs: pd.DataFrame) -> Iterator[Measure]:
    for (_, method), best in best_of_grid(runs, rung=GAP).items():
        decides = method in (LOSES, WINS)
        yield Measure(
            name=f"{method}: reached the gap",
            value=best.success,
            unit=f"share of the seeds, {best.setting}, best of {best.n_settings}",
            threshold=0.5 if decides else None,
            wants="below" if method == LOSES else "above" if method == WINS else None,
        )
        yield Measure(
            name=f"{method}: iterations to the gap", value=best.iterations, unit="mean over the seeds that reach it"
        )


CLAIM = Claim(
    name="lowrank_counterexample",
    source="measured here; a limit of Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475",
    statement="On matrix completion from a random start the heavy ball on the manifold fails where the factors arrive.",
    measurement="Half of the entries of a planted matrix of rank 5 and condition 100, a random start, ten settings for "
    "everybody, ten seeds, gap 1e-8: at its best setting the heavy ball on the manifold must arrive on less than half "
    "of the seeds, the heavy ball on the factors on more. Wilson's intervals.",
    not_covered="From the spectral start, the usual one, the manifold arrives, too. The best setting is chosen on the "
    "seeds that are reported, for everybody.",
    suites=(SUITE,),
    measure=measure,
)
