"""What a leaderboard is: frozen values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rmobench.statistics.significance import Versus
from rmobench.types import Interval, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One optimizer over all the tasks that it attempted."""

    rank: int
    tied: bool  # its interval overlaps that of the row above
    optimizer: str
    score: Interval  # area under the performance profile up to a factor of 4, over resampled tasks
    n_tasks: int  # attempted
    n_tasks_total: int  # that anybody attempted
    n_trials: int
    n_hits: int
    success: Interval  # of all its trials, Wilson
    ecdf_area: float  # over every rung, in [0, 1]
    ert_ratio: float  # to the best, geometric mean over the solved tasks; NaN: none
    n_solved: int  # tasks with a hit
    call_s: float  # seconds per call, median over the trials; NaN: unknown
    step_s: float  # seconds per iterate, likewise
    model_bytes: float  # medians over the trials; NaN: unknown
    state_bytes: float
    peak_bytes: float
    memory: Mapping[str, float]  # medians of its parts beside the state, by their names in records; empty: unknown
    final: float | None  # target's metric at the end, median over the trials; None: unknown
    accuracy: float | None  # on test data at the end, likewise; None: no task judges one
    residual: float | None  # constraint violation at the end, the largest of the trials
    upcast: str | None  # what ran wider than the precision
    statuses: Mapping[str, int]  # how its trials ended
    versus: Versus | None  # against the baseline; None: it is the baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Trials of one optimizer that ended the same way, neither solved nor out of budget."""

    optimizer: str
    status: str
    n_trials: int
    n_tasks: int
    task: str  # where the error was seen first, or the first task
    error: str | None  # the first message


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Everything about one precision along one axis."""

    precision: str
    axis: str
    rung: float | None  # None: each task's headline
    baseline: str
    n_records: int
    n_seeds: int
    budgets: tuple[int, ...]  # oracle calls that a trial may spend, every one that occurs
    environments: tuple[str, ...]
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]  # by score
    scores: tuple[Score, ...]
    endings: tuple[Ending, ...]
    notes: tuple[str, ...]  # what a reader must know before believing it
