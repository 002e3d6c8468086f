"""SUITE.md of a small case, letter by letter."""

from __future__ import annotations

from pathlib import Path

from rmobench.report import markdown
from rmobench.statistics import leaderboard

EXPECTED = Path(__file__).parent / "expected_leaderboard.md"


def test_snapshot(runs, skips):
    """After an intended change, write the text that this shows to expected_leaderboard.md and read it."""
    assert markdown.leaderboard(leaderboard(runs), skips) == EXPECTED.read_text(encoding="utf-8")


def test_the_order_of_records_and_skips_changes_nothing(runs, skips):
    text = markdown.leaderboard(leaderboard(runs.sample(frac=1.0, random_state=1)), skips[::-1])
    assert text == EXPECTED.read_text(encoding="utf-8")


def test_every_row_of_a_table_has_its_heads(runs, skips):
    """A pipe inside a message must not open a cell."""
    for block in markdown.leaderboard(leaderboard(runs), skips).split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_a_single_task_shows_intervals_of_its_ert(runs):
    text = markdown.leaderboard(leaderboard(runs[runs["task"] == "ball[dim=3]"], axis="time_s"))
    assert "seconds to the headline rung 0.01" in text
    assert "| 1 | rsgd[lr=0.1] | 210 ms [200 ms, 220 ms] | 210 ms | 100 % [44, 100] |" in text
