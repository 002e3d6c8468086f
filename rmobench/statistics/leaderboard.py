"""Records -> one leaderboard per precision.

The rungs of every ladder count in the ECDF; the headline, or the given rung, in everything else. Who is ranked against
whom says `standings`; what a trial costs says `hits`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import pandas as pd

from rmobench.errors import InputError
from rmobench.statistics import ecdf, facts
from rmobench.statistics.board import Leaderboard, Row
from rmobench.statistics.hits import at_rung, costs, in_order
from rmobench.statistics.intervals import success_rate
from rmobench.statistics.scores import as_scores, estimates
from rmobench.statistics.significance import Versus, versus
from rmobench.statistics.standings import Standing, standings

BASELINE = "adam"
"""Whom the others are tested against unless somebody is named."""

NAMED = 5
"""Tasks that a note names before it only counts."""


def leaderboard(
    runs: pd.DataFrame, *, axis: str = "n_grad", rung: float | None = None, baseline: str | None = None
) -> tuple[Leaderboard, ...]:
    """Rank the optimizers, one board per precision.

    Args:
        runs: One row per record; the order does not matter.
        axis: What is counted, one of `types.AXES`.
        rung: The rung to reach; None: each task's headline. A task without the rung is left out, with a note.
        baseline: Label of the optimizer to test against; None: adam where it ran, else the first of the board.

    Raises:
        InputError: There are no records, the axis does not exist, no task has the rung, or the baseline did not run.
    """
    table = costs(runs, axis=axis)
    runs = in_order(runs)
    _check_baseline(baseline, runs)
    chosen = at_rung(table, rung)
    judged = estimates(chosen)
    return tuple(
        _board(
            *(t[t["precision"] == p] for t in (runs, table, chosen, judged)), axis=axis, rung=rung, baseline=baseline
        )
        for p in judged["precision"].unique()
    )


def _check_baseline(baseline: str | None, runs: pd.DataFrame) -> None:
    labels = list(runs["optimizer"].cat.categories)
    if baseline is not None and baseline not in labels:
        near = difflib.get_close_matches(baseline, labels, n=1, cutoff=0.3) or labels[:1]
        raise InputError(f"the baseline {baseline!r} has no records. Name one that has, for example {near[0]!r}.")


def _board(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    chosen: pd.DataFrame,
    judged: pd.DataFrame,
    *,
    axis: str,
    rung: float | None,
    baseline: str | None,
) -> Leaderboard:
    """Join everything about one precision."""
    tasks = tuple(map(str, judged["task"].unique()))
    left_out = sorted(set(runs["task"].unique()) - set(tasks))
    runs, table = runs[runs["task"].isin(tasks)], table[table["task"].isin(tasks)]
    places = standings(judged)
    chosen_baseline = _baseline(baseline, places)
    environments = facts.environments(runs)
    return Leaderboard(
        precision=str(runs["precision"].iloc[0]),
        axis=axis,
        rung=rung,
        baseline=chosen_baseline,
        n_records=len(runs),
        n_seeds=int(runs["seed"].nunique()),
        budgets=tuple(sorted(map(int, runs["budget_calls"].unique()))),
        environments=environments,
        tasks=tasks,
        rows=_rows(places, len(tasks), runs, ecdf.areas(table, axis), versus(chosen, chosen_baseline)),
        scores=as_scores(judged, axis),
        endings=facts.endings(runs),
        notes=(
            *_notes_on_omissions(left_out, rung, baseline, chosen_baseline),
            *_notes_on_mixtures(runs, environments),
        ),
    )


def _baseline(asked: str | None, places: list[Standing]) -> str:
    present = {place.optimizer for place in places}
    return next(name for name in (asked, BASELINE, places[0].optimizer) if name in present and name is not None)


def _rows(
    places: list[Standing],
    n_tasks_total: int,
    runs: pd.DataFrame,
    area: pd.Series,
    against: Mapping[str, Versus],
) -> tuple[Row, ...]:
    medians, statuses, upcasts = facts.medians(runs), facts.statuses(runs), facts.upcasts(runs)
    ends, accounts = facts.ends(runs), facts.accounts(runs)
    return tuple(
        Row(
            rank=place.rank,
            tied=place.tied,
            optimizer=place.optimizer,
            score=place.score,
            n_tasks=place.n_tasks,
            n_tasks_total=n_tasks_total,
            n_trials=place.n_trials,
            n_hits=place.n_hits,
            success=success_rate(place.n_hits, place.n_trials),
            ecdf_area=float(area[place.optimizer]),
            ert_ratio=place.ert_ratio,
            n_solved=place.n_solved,
            call_s=medians[place.optimizer]["call_s"],
            step_s=medians[place.optimizer]["step_s"],
            model_bytes=medians[place.optimizer]["model_bytes"],
            state_bytes=medians[place.optimizer]["state_bytes"],
            peak_bytes=medians[place.optimizer]["peak_bytes"],
            memory=accounts.get(place.optimizer, {}),
            **ends[place.optimizer],
            upcast=upcasts.get(place.optimizer),
            statuses=statuses[place.optimizer],
            versus=against.get(place.optimizer),
        )
        for place in places
    )


# --- what a reader must know -------------------------------------------------------------------------------


def _notes_on_omissions(left_out: list[str], rung: float | None, asked: str | None, baseline: str) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"{_named(left_out)} left out: no rung {rung:g} on the ladder.")
    if asked not in (None, baseline):
        notes.append(f"{asked} has no records at this precision; {baseline} stands in as the baseline.")
    return notes


def _notes_on_mixtures(runs: pd.DataFrame, environments: tuple[str, ...]) -> list[str]:
    """Warn of records that are judged together and are not alike."""
    notes = []
    if len(environments) > 1:
        notes.append(
            f"Times mix {len(environments)} environments and must not be compared: {'; '.join(environments)}. "
            "Counts are not touched."
        )
    for columns, what in ((["budget_calls", "budget_s"], "budgets"), (["headline"], "headline rungs")):
        varied = runs.groupby("task", observed=True)[columns].nunique().gt(1).any(axis=1)
        if varied.any():
            notes.append(f"{_named(list(varied.index[varied]))} with records of several {what}, judged together.")
    repeats = int(runs.duplicated(["task", "optimizer", "seed"]).sum())
    if repeats:
        notes.append(
            f"{repeats} records repeat an optimizer, task and seed (other version or device); all of them count."
        )
    return notes


def _named(tasks: list[str]) -> str:
    shown = ", ".join(tasks[:NAMED]) + (f" and {len(tasks) - NAMED} more" if len(tasks) > NAMED else "")
    return f"{len(tasks)} task{'' if len(tasks) == 1 else 's'} ({shown})"
