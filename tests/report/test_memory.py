"""The sheet of where the memory goes."""

from __future__ import annotations

from rmobench.report.numbers import size
from rmobench.report.sheets import sheets
from rmobench.statistics import leaderboard


def test_memory_is_shown_where_parameters_are_frozen(runs):
    """With its parts where records have them; boards without frozen parameters stay as they are."""
    parts = {"trainable_bytes": 4096.0, "frozen_bytes": 0.0, "gradient_bytes": 4096.0, "activation_bytes": 2.0**20}
    says = parts | {"transient_bytes": 512.0}
    boards = [
        leaderboard(runs.assign(diagnostics=[says | {"frozen_bytes": frozen}] * len(runs))) for frozen in (0.0, 2.0**20)
    ]
    shown = [[sheet for board in found for sheet in sheets(board)] for found in boards]
    titles = [[sheet.title for sheet in found] for found in shown]
    assert not any(title.startswith("Memory") for title in titles[0])
    (memory,) = [sheet for sheet in shown[1] if sheet.title.startswith("Memory")]
    row = dict(zip(memory.head, next(r for r in memory.rows if r[0] == "rsgd[lr=0.1]"), strict=True))
    assert (row["trainable"], row["frozen"], row["state"]) == (size(4096.0), size(2.0**20), size(2048.0))
    assert (row["saved activations"], row["a step in passing"]) == (size(2.0**20), size(512.0))
