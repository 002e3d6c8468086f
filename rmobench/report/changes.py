"""What got worse from one store to another, as a sheet and as one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rmobench.report.numbers import UNKNOWN, number
from rmobench.report.sheets import Sheet
from rmobench.statistics import Change, Verdict

REASONS_SHOWN = 2
"""Reasons of a verdict before the rest is only counted."""


def change_sheet(changes: Sequence[Change]) -> Sheet:
    """Show every entry that is not equal; ratios are B / A, hits of the paired seeds at the headline rung."""
    return Sheet(
        title="B against A",
        head=("verdict", "task", "optimizer", "why", "hits", "calls", "pace"),
        rows=tuple(_row(change) for change in changes if change.verdict is not Verdict.equal),
        n_words=4,
    )


def _row(change: Change) -> tuple[str, ...]:
    hits = UNKNOWN if change.hits_a is None else f"{change.hits_a} → {change.hits_b}"
    task = f"{change.task} {change.precision}"
    ratios = (_ratio(change.calls_ratio), _ratio(change.pace_ratio))
    return change.verdict.value, task, change.optimizer, _reasons(change.why), hits, *ratios


def _reasons(why: Sequence[str]) -> str:
    rest = len(why) - REASONS_SHOWN
    return "; ".join(why[:REASONS_SHOWN]) + (f"; {rest} more" if rest > 0 else "")


def _ratio(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"×{number(ratio)}"


def summary(changes: Sequence[Change]) -> str:
    """Count the verdicts and say whether the gate holds."""
    counts = Counter(change.verdict for change in changes)
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    failed = any(change.gates for change in changes)
    return f"{len(changes)} entries: {told or 'none'}. {'Something got worse.' if failed else 'Nothing got worse.'}"
