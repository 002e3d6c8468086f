"""What stands on a terminal, at its narrowest."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rmobench.report import terminal
from rmobench.statistics import compare, leaderboard
from tests.benchmarks import synthetic
from tests.statistics.records import solved, table


def shown(renderable, width=80):
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(renderable)
    return file.getvalue()


@pytest.mark.parametrize("axis", ["n_grad", "time_s"])
@pytest.mark.parametrize("n_tasks", [1, 4])
def test_eighty_columns_cut_nothing(n_tasks, axis):
    runs = synthetic.runs(n_tasks=n_tasks, n_optimizers=12, n_seeds=4, budget=100_000)
    text = shown(terminal.leaderboard(leaderboard(runs, axis=axis), per_task=True))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "method11" in text


def test_several_tasks(runs, skips):
    text = shown(terminal.leaderboard(leaderboard(runs), skips), width=100)
    for part in (
        "3 tasks · fp64 · oracle calls to each task's headline rung · 24 records · 3 seeds",
        "Overall",
        "3  fragile_one",
        "rsgd[lr=0.1] ↑ computes wider than fp64: eigh in fp32.",
        "fragile_one failed 6 on 2 tasks ball[dim=3]: ValueError: a|b",
        "Not run (2 pairs)",
        "fragile_one needs second_order",
        "a trial without a hit pays its whole",
    ):
        assert part in text
    assert "ERT by task" not in text
    assert "ERT by task" in shown(terminal.leaderboard(leaderboard(runs), per_task=True))


def test_a_single_task(runs):
    text = shown(terminal.leaderboard(leaderboard(runs[runs["task"] == "ball[dim=3]"])))
    assert "ERT [low, high]" in text
    assert "21 [20, 22]" in text
    assert "∞" in text


def test_comparison(runs):
    slower = runs.assign(hit_n_grad=[[2 * c for c in calls] for calls in runs["hit_n_grad"]])
    text = shown(terminal.comparison(compare(runs, slower)), width=100)
    assert "worse" in text
    assert "×2" in text
    assert text.endswith("8 entries: 8 worse. Something got worse.\n")
    assert shown(terminal.comparison(compare(runs, runs))) == "8 entries: 8 equal. Nothing got worse.\n"


def test_a_long_comparison_is_cut_and_counted():
    many = table(*(solved(40, task=f"t{i}") for i in range(50)))
    text = shown(terminal.comparison(compare(many, many.iloc[:1])))
    assert "and 9 more; --json lists all" in text
