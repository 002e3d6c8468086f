"""What a leaderboard says, as plain sheets of text that the terminal and the Markdown writer both show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rmobench.report.numbers import (
    UNKNOWN,
    cost,
    cost_interval,
    number,
    p_value,
    rate,
    score,
    seconds,
    size,
)
from rmobench.statistics import Leaderboard, Row
from rmobench.types import Score, Skip

ERROR_WIDTH = 100
"""Characters of an error message that are shown."""

NAMED = 6
"""Names in a list before it only counts."""

COUNTED = {"step": "steps", "n_grad": "oracle calls", "time_s": "seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table of text; the first `n_words` columns are words, the others figures, set flush right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_words: int = 1


def title(board: Leaderboard) -> str:
    """Name everything that a reader needs to place the numbers."""
    rung = "each task's headline rung" if board.rung is None else f"the rung {board.rung:g}"
    if board.rung is None and len(board.tasks) == 1:
        rung = f"the headline rung {board.scores[0].rung:g}"
    where = board.environments[0] if len(board.environments) == 1 else f"{len(board.environments)} environments"
    what = board.tasks[0] if len(board.tasks) == 1 else f"{len(board.tasks)} tasks"
    return " · ".join(
        (
            what,
            board.precision,
            f"{COUNTED[board.axis]} to {rung}",
            f"{count(board.n_records, 'record')}",
            f"{count(board.n_seeds, 'seed')}",
            f"at most {' or '.join(f'{n:,}' for n in board.budgets[:3])} calls a trial",
            where,
        )
    )


def sheets(board: Leaderboard, *, per_task: bool = True) -> list[Sheet]:
    """Return every sheet of a board: who is ahead, what it costs, each task's ERT, how trials ended."""
    if len(board.tasks) == 1:
        found = [single(board), spending(board)]
    else:
        found = [overall(board), spending(board), *([matrix(board)] if per_task else [])]
    if any(row.accuracy is not None for row in board.rows):
        found.append(last(board))
    if any(row.memory.get("frozen_bytes", 0.0) > 0.0 for row in board.rows):
        found.append(memory(board))
    return [*found, *([ended(board)] if board.endings else [])]


def single(board: Leaderboard) -> Sheet:
    """Show ERT, median and success of each optimizer on the only task."""
    by_optimizer = {s.optimizer: s for s in board.scores}
    return Sheet(
        title=board.tasks[0],
        head=("#", "optimizer", "ERT [low, high]", "median", "success"),
        rows=tuple(_single_row(row, by_optimizer[row.optimizer]) for row in board.rows),
        n_words=2,
    )


def _single_row(row: Row, s: Score) -> tuple[str, ...]:
    return rank(row), row.optimizer, cost_interval(s.ert, s.axis), cost(s.median.value, s.axis), rate(s.success)


def overall(board: Leaderboard) -> Sheet:
    """Show score, coverage, success, ERT ratio and ECDF area of each optimizer over all its tasks."""
    return Sheet(
        title="Overall",
        head=("#", "optimizer", "score [low, high]", "tasks", "success", "ERT ratio", "ECDF"),
        rows=tuple(_overall_row(row) for row in board.rows),
        n_words=2,
    )


def _overall_row(row: Row) -> tuple[str, ...]:
    ratio = UNKNOWN if math.isnan(row.ert_ratio) else f"{number(row.ert_ratio)} ({row.n_solved})"
    tasks = f"{row.n_tasks}/{row.n_tasks_total}"
    return rank(row), row.optimizer, score(row.score), tasks, rate(row.success), ratio, f"{row.ecdf_area:.2f}"


def rank(row: Row) -> str:
    """Write the rank, with = if it is tied with the row above."""
    return f"{row.rank}=" if row.tied else f"{row.rank}"


def spending(board: Leaderboard) -> Sheet:
    """Show what each optimizer spends, and how it compares with the baseline."""
    return Sheet(
        title=f"Medians over the trials, and pairs against {board.baseline}",
        head=("optimizer", "s/call", "s/step", "state", "peak", "wins", "losses", "ties", "p"),
        rows=tuple(_spending_row(row) for row in board.rows),
    )


def _spending_row(row: Row) -> tuple[str, ...]:
    spent = (seconds(row.call_s), seconds(row.step_s), size(row.state_bytes), size(row.peak_bytes))
    name = row.optimizer if row.upcast is None else f"{row.optimizer} ↑"
    if row.versus is None:
        return (name, *spent, UNKNOWN, UNKNOWN, UNKNOWN, "baseline")
    pairs = (f"{row.versus.wins}", f"{row.versus.losses}", f"{row.versus.ties}")
    return (name, *spent, *pairs, p_value(row.versus.p_value))


def memory(board: Leaderboard) -> Sheet:
    """Show where the memory goes of tasks that train some parameters and leave others frozen."""
    return Sheet(
        title="Memory: medians over the trials",
        head=("optimizer", "trainable", "frozen", "gradients", "state", "saved activations", "a step in passing"),
        rows=tuple(map(_memory_row, board.rows)),
    )


def _memory_row(row: Row) -> tuple[str, ...]:
    parts = [row.memory.get(name, math.nan) for name in ("trainable_bytes", "frozen_bytes", "gradient_bytes")]
    parts += [row.state_bytes, *(row.memory.get(name, math.nan) for name in ("activation_bytes", "transient_bytes"))]
    return row.optimizer, *map(size, parts)


def last(board: Leaderboard) -> Sheet:
    """Show where each optimizer's trials ended: the target's metric, the accuracy, and how far off the constraint."""
    head = ("optimizer", "metric", "accuracy on test data", "largest residual")
    return Sheet(title="At the end: medians over the trials", head=head, rows=tuple(map(_last_row, board.rows)))


def _last_row(row: Row) -> tuple[str, ...]:
    written = ((row.final, ".3g"), (row.accuracy, ".1%"), (row.residual, ".1e"))
    return row.optimizer, *(UNKNOWN if value is None else format(value, how) for value, how in written)


def matrix(board: Leaderboard) -> Sheet:
    """Show every task's ERT by optimizer; blank where a pair was not attempted."""
    found = {(s.task, s.optimizer): s for s in board.scores}
    names = [row.optimizer for row in board.rows]
    return Sheet(
        title="ERT by task",
        head=("task", *names),
        rows=tuple((task, *(_ert(found.get((task, name))) for name in names)) for task in board.tasks),
    )


def _ert(s: Score | None) -> str:
    return "" if s is None else cost(s.ert.value, s.axis)


def ended(board: Leaderboard) -> Sheet:
    """Show the trials that neither solved their task nor spent their budget, with the first message."""
    return Sheet(
        title="How trials ended (neither solved nor out of budget)",
        head=("optimizer", "status", "trials", "first message"),
        rows=tuple(
            (e.optimizer, e.status, f"{e.n_trials} on {count(e.n_tasks, 'task')}", f"{e.task}: {_short(e.error)}")
            for e in board.endings
        ),
        n_words=4,
    )


def skipped(skips: Sequence[Skip]) -> Sheet:
    """Show the pairs that cannot run, by reason."""
    by_reason: dict[str, list[Skip]] = {}
    for skip in sorted(skips, key=lambda s: (s.reason, s.optimizer, s.task)):
        by_reason.setdefault(skip.reason, []).append(skip)
    return Sheet(
        title=f"Not run ({count(len(skips), 'pair')})",
        head=("reason", "pairs", "optimizers", "tasks"),
        rows=tuple(_skipped_row(reason, group) for reason, group in by_reason.items()),
        n_words=4,
    )


def _skipped_row(reason: str, skips: list[Skip]) -> tuple[str, ...]:
    return reason, f"{len(skips)}", _names(s.optimizer for s in skips), _names(s.task for s in skips)


def footnote(board: Leaderboard) -> tuple[str, ...]:
    """Explain the score, the cost rule and the intervals, a line each."""
    return (
        "Score: area under the performance profile (ERT / best ERT) up to a factor of 4, over all tasks of the board; "
        "a task that an optimizer does not fit counts as unsolved. Success and ECDF: over the tasks attempted.",
        "ERT: cost of all trials / number of hits; a trial without a hit pays its whole budget, whatever ended it.",
        "[low, high]: 95 % intervals (Wilson, bootstrap over seeds or tasks; too narrow for few seeds); = overlaps the "
        f"row above; p: Wilcoxon on (task, seed) pairs against {board.baseline}, Holm; optimistic, as the seeds of a "
        "task are alike.",
    )


def upcasts(board: Leaderboard) -> list[str]:
    """Say which optimizers ran wider than the precision."""
    return [
        f"{row.optimizer} ↑ computes wider than {board.precision}: {row.upcast}." for row in board.rows if row.upcast
    ]


def count(n: int, noun: str) -> str:
    """Write a number of things: 1 task, 2 tasks."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _names(names: Iterable[str]) -> str:
    found = sorted(set(names))
    return ", ".join(found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _short(error: str | None) -> str:
    """Keep the first line of a message that says something, cut to ERROR_WIDTH."""
    line = next((text.strip() for text in (error or "").splitlines() if text.strip()), "no message")
    return line if len(line) <= ERROR_WIDTH else f"{line[: ERROR_WIDTH - 1]}…"
