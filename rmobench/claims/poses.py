"""What the claims about poses share: which records are of which clips, and what was reached where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rmobench.claims.cells import CENSORED, by_seed, censored, column, judged, outcomes, ratio, share_won
from rmobench.claims.claim import Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.resampling import bootstrap_mean
from rmobench.registry import parse_selector
from rmobench.statistics.intervals import success_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUITE = "pose"
RECIPE = "pose_optimus"
OURS, ZERO_SHOT = "optimus_pose", "optimus"
OTHERS = ("bfgs", "lbfgs", "adam", "adafactor_mlp", ZERO_SHOT)

IN_DOMAIN, HELD_OUT = "in domain", "held out"

DEEPER_M = 1e-8
"""Depth beyond the one that counts which is rounding (m), as the task's residual at fp64."""


def runs_by_domain(evidence: Evidence) -> dict[str, pd.DataFrame]:
    """Return the suite's records of clips that meta-training saw, and of those that it did not."""
    from rmobench.metatrain.pose_recipe import PoseRecipe  # brings torch
    from rmobench.metatrain.recipe import read_recipe

    file = read_recipe(RECIPE).file
    assert isinstance(file, PoseRecipe)
    runs = evidence.runs[SUITE]
    clip = runs["task"].map(lambda task: str(parse_selector(task)[1]["clip"]))
    return {IN_DOMAIN: runs[clip.isin(file.clips)], HELD_OUT: runs[clip.isin(file.held_out)]}


def table(name: str, runs: pd.DataFrame) -> Iterator[Measure]:
    """Tell for every optimizer where it ends, and how often it reaches the headline.

    Args:
        name: Of the domain.
        runs: Its records.
    """
    runs = outcomes(runs.assign(end=_ends(by_seed(runs))))
    for optimizer in (OURS, *OTHERS):
        mine = runs[runs["optimizer"] == optimizer]
        if n := len(mine):
            ends = bootstrap_mean(mine["end"].to_numpy(float))
            yield Measure(name=f"{name}, {optimizer}: MPJPE-G at the end", value=ends, unit=f"mm, mean of {n} trials")
            yield Measure(
                name=f"{name}, {optimizer}: reached the target",
                value=success_rate(int(mine["hit"].sum()), n),
                unit=f"share of {n} trials",
            )


def against(name: str, runs: pd.DataFrame, baseline: str, *, decides: bool) -> Iterator[Measure]:
    """Compare Optimus, meta-trained on poses, with another optimizer, seed by seed on every window.

    Args:
        name: Of the domain.
        runs: Its records.
        baseline: Label of the other one.
        decides: Whether the claim stands or falls with the gradients and the end.
    """
    cells = by_seed(runs)
    erts = judged(cells, axis="n_grad")
    pair = [column(erts, "ert", optimizer) for optimizer in (OURS, baseline)]
    either = int((np.isfinite(pair[0]) | np.isfinite(pair[1])).sum())
    yield Measure(
        name=f"{name}: won against {baseline} in gradients",
        value=share_won(*pair),
        unit=f"share, {either} (window, seed) that either solves",
    )
    yield Measure(
        name=f"{name}: gradients relative to {baseline}",
        value=ratio(*censored(erts, cells, OURS, baseline)),
        unit=f"ratio, {len(erts)} (window, seed), a miss counting {CENSORED:g} budgets",
        threshold=1.0 if decides else None,
        wants="below" if decides else None,
    )
    ends = cells.assign(final=_ends(cells)).pivot_table(index="task", columns="optimizer", values="final")
    yield Measure(
        name=f"{name}: MPJPE-G at the end relative to {baseline}",
        value=ratio(*(ends.reindex(columns=[optimizer]).to_numpy(float)[:, 0] for optimizer in (OURS, baseline))),
        unit=f"ratio, {len(ends)} (window, seed)",
        threshold=1.0 if decides else None,
        wants="below" if decides else None,
    )


def _ends(cells: pd.DataFrame) -> pd.Series:
    """Return the MPJPE-G at the end (mm), by (window, seed) as `by_seed` makes them.

    An end that is no number, or whose body is deeper in the ground than counts, is as bad as the worst end of its
    window and seed, and no better than the easiest rung: blowing up and sinking in never pay.
    """
    final = cells["final"].astype(float)
    easiest = cells["rungs"].map(max).astype(float)
    worst = final.where(np.isfinite(final), easiest).clip(lower=easiest).groupby(cells["task"]).transform("max")
    counts = np.isfinite(final) & (cells["residual"].astype(float).fillna(0.0) <= DEEPER_M)
    return final.where(counts, worst)


def reached_by_domain(evidence: Evidence) -> Figure:
    """Draw the share of (trial, rung of MPJPE-G) reached by iteration, in and out of domain."""
    from rmobench.claims.figures import legend, panels, reached

    groups = runs_by_domain(evidence)
    drawn, found = panels(len(groups), width=4.5, height=3.4)
    for axes, (name, runs) in zip(found, groups.items(), strict=True):
        for optimizer in (OURS, *OTHERS):
            reached(axes, runs, optimizer, optimizer)
        axes.set(xscale="log", xlabel="iterations", title=name, ylim=(0.0, 1.0))
    found[0].set_ylabel("share of (trial, rung of MPJPE-G) reached")
    legend(drawn)
    return drawn
