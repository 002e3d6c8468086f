"""Where trials ended is shown for tasks that judge an accuracy."""

from __future__ import annotations

from rmobench.report.sheets import sheets
from rmobench.statistics import leaderboard
from tests.statistics.records import solved, table


def test_accuracy_and_largest_residual_are_shown_where_a_task_judges_them():
    plan = {"task": "orthogonal_cnn"}
    runs = table(
        *(
            solved(20, optimizer="a", seed=s, accuracy=0.9 + s / 100, residual=10.0**-s, final=0.1, **plan)
            for s in range(3)
        ),
        solved(30, optimizer="b", accuracy=float("nan"), residual=0.0, final=float("nan"), **plan),
    )
    (board,) = leaderboard(runs)
    (sheet,) = [s for s in sheets(board) if s.title.startswith("At the end")]
    assert sheet.rows == (("a", "0.1", "91.0%", "1.0e+00"), ("b", "–", "–", "0.0e+00"))


def test_it_is_not_shown_where_there_is_none():
    (board,) = leaderboard(table(solved(20, residual=0.5)))
    assert not [s for s in sheets(board) if s.title.startswith("At the end")]
