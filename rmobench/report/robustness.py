"""What each precision costs, as sheets that the terminal and the Markdown writer both show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rmobench.report.numbers import UNKNOWN, number, percent
from rmobench.report.sheets import COUNTED, Sheet
from rmobench.statistics import Breaking, PrecisionBoard, Robustness
from rmobench.statistics.robustness import WIDEST_FIRST
from rmobench.types import Interval


def title(board: PrecisionBoard) -> str:
    """Name everything that a reader needs to place the numbers."""
    names = sorted({row.task for row in board.tasks if row.task is not None})
    tasks = names[0] if len(names) == 1 else f"{len(names)} tasks"
    rung = "each task's headline rung" if board.rung is None else f"the rung {board.rung:g}"
    rung += f" ({', '.join(board.at_headline)}: to the headline)" if board.at_headline else ""
    references = sorted({row.reference for row in board.tasks})
    n_trials = sum(row.n_trials for row in board.tasks)
    return f"{tasks} · {COUNTED[board.axis]} to {rung}, relative to {', '.join(references)} · {n_trials} records"


def sheets(board: PrecisionBoard, *, per_task: bool = True) -> list[Sheet]:
    """Return every sheet of a board: the penalties, what is behind them, where sweeps break."""
    found = [penalties(board.overall), causes(board.overall)]
    if per_task and len({row.task for row in board.tasks}) > 1:
        found += [penalties(board.tasks), causes(board.tasks)]
    return [*found, *([broken(board.breaking)] if board.breaking else [])]


def penalties(rows: Sequence[Robustness]) -> Sheet:
    """Show each optimizer at each precision: penalty, hits, failures, floor and state."""
    named = rows[0].task is not None
    return Sheet(
        title="What a precision costs" + (", by task" if named else ""),
        head=(*_head(named), "failures", "penalty [low, high]", "hits", "floor", "state"),
        rows=tuple((*_names(row), failures(row.failures), *_penalties_row(row)) for row in rows),
        n_words=4 if named else 3,
    )


def _penalties_row(row: Robustness) -> tuple[str, ...]:
    state = UNKNOWN if math.isnan(row.state_bytes) else f"{number(row.state_bytes)} B"
    return penalty(row), f"{row.n_hits}/{row.n_trials}", _times(row.floor_ratio), state


def causes(rows: Sequence[Robustness]) -> Sheet:
    """Show what is behind the penalties: where trials fail, what stands still, strays and drifts."""
    named = rows[0].task is not None
    return Sheet(
        title="What is behind it" + (", by task" if named else ""),
        head=(*_head(named), "first failure", "copies", "idle", "strays", "residual", "drift"),
        rows=tuple((*_names(row), *_causes_row(row)) for row in rows),
        n_words=3 if named else 2,
    )


def _causes_row(row: Robustness) -> tuple[str, ...]:
    step = UNKNOWN if math.isnan(row.first_failure) else f"step {row.first_failure:.0f}"
    idle = UNKNOWN if math.isnan(row.stagnation) else percent(row.stagnation)
    kept = ((row.residual, ".1e"), (row.drift, ".2f"))
    on_manifold = (UNKNOWN if math.isnan(value) else format(value, how) for value, how in kept)
    return step, number(row.state_copies), idle, number(row.deviation), *on_manifold


def broken(rows: Sequence[Breaking]) -> Sheet:
    """Show the smallest value of the swept argument at which more than half of the seeds miss, by precision."""
    precisions = sorted({row.precision for row in rows}, key=WIDEST_FIRST.index)
    found = {(row.task, row.optimizer, row.precision): row for row in rows}
    pairs = list(dict.fromkeys((row.task, row.optimizer) for row in rows))
    return Sheet(
        title=f"Breaking point of {rows[0].argument}",
        head=("task", "optimizer", *precisions),
        rows=tuple((*pair, *(_broken_at(found.get((*pair, p))) for p in precisions)) for pair in pairs),
        n_words=2,
    )


def _broken_at(row: Breaking | None) -> str:
    if row is None:
        return ""
    return f"> {row.swept[-1]:.3g}" if row.broken_at is None else f"{row.broken_at:.3g}"


def _head(named: bool) -> tuple[str, ...]:
    return ("task", "optimizer", "precision") if named else ("optimizer", "precision")


def _names(row: Robustness) -> tuple[str, ...]:
    optimizer = row.optimizer if row.upcast is None else f"{row.optimizer} ↑"
    return (optimizer, row.precision) if row.task is None else (row.task, optimizer, row.precision)


def penalty(row: Robustness) -> str:
    """Write a penalty with its interval, and the sign of a bound where some seeds missed the rung."""
    return f"{bound(row)}{_interval(row.penalty)}"


def bound(row: Robustness) -> str:
    """Return the sign of a bound: seeds lost bound the penalty from below, seeds gained from above."""
    return {(True, False): "≥ ", (False, True): "≤ ", (True, True): "≈ "}.get((row.n_lost > 0, row.n_gained > 0), "")


def _interval(x: Interval) -> str:
    return UNKNOWN if math.isnan(x.value) else f"{number(x.value)} [{number(x.low)}, {number(x.high)}]"


def failures(counts: Mapping[str, int]) -> str:
    """Write failures by kind, the most frequent first."""
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {kind}" for kind, n in by_count)


def _times(x: float) -> str:
    return UNKNOWN if math.isnan(x) else f"×{number(x)}"


def upcasts(board: PrecisionBoard) -> list[str]:
    """Say which optimizers ran wider than the precision."""
    return [
        f"{row.optimizer} ↑ computes wider than {row.precision}: {row.upcast}." for row in board.overall if row.upcast
    ]


def footnote() -> tuple[str, ...]:
    """Explain the columns, a line each."""
    return (
        "Penalty: cost to the rung relative to the reference precision, same task and seed, geometric mean over seeds, "
        "then tasks. A seed that misses pays its whole budget: ≥ where seeds are lost, ≤ where they are gained; one "
        "that misses at both says nothing.",
        "Failures: trials by their one kind; missed: moved to the end without reaching the rung. Floor: how many times "
        "worse the best judged metric is. State: bytes kept per parameter; copies: in numbers of the precision.",
        "Idle: entries with a gradient that a step leaves as they were, in the first steps. Strays: |log10 metric - "
        "log10 metric at the reference| at equal steps. Drift: slope of log10 residual against log10 step.",
        "[low, high]: 95 % intervals (bootstrap over seeds or tasks; too narrow for few). Breaking point: the smallest "
        "value of what was swept at which more than half of the seeds miss the rung.",
    )
