"""Who is ranked against whom, and what the board says beside the rank."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from rmobench.errors import InputError
from rmobench.statistics import leaderboard
from tests.benchmarks import synthetic
from tests.statistics.records import solved, table, trial

TASKS = ("t1", "t2", "t3", "t4")


def on(tasks, optimizer, calls, **changes):
    """Three seeds on each task, all at the same calls."""
    return [solved(calls, task=t, optimizer=optimizer, seed=s, **changes) for t in tasks for s in range(3)]


def only(*trials, **how):
    (board,) = leaderboard(table(*trials), **how)
    return board


def test_order_and_score():
    """Twice the best on every task is halfway to four times: a score of one half."""
    board = only(*on(TASKS, "slow", 80), *on(TASKS, "fast", 20), *on(TASKS, "middling", 40))
    assert [(r.rank, r.optimizer, r.score.value) for r in board.rows] == [
        (1, "fast", 1),
        (2, "middling", 0.5),
        (3, "slow", 0),
    ]
    assert [r.ert_ratio for r in board.rows] == pytest.approx([1, 2, 4])
    assert not any(r.tied for r in board.rows)
    assert board.baseline == "fast", "adam did not run, so the first of the board"


def test_equals_share_a_rank():
    board = only(*on(TASKS, "b", 20), *on(TASKS, "a", 20), *on(TASKS, "c", 40))
    assert [(r.rank, r.tied, r.optimizer) for r in board.rows] == [(1, False, "a"), (1, True, "b"), (3, False, "c")]


def test_beyond_the_score_the_ert_still_orders():
    board = only(*on(TASKS, "a", 5), *on(TASKS, "b", 90), *on(TASKS, "c", 60))
    assert [(r.rank, r.optimizer, r.score.value) for r in board.rows] == [(1, "a", 1), (2, "c", 0), (3, "b", 0)]


def test_a_tie_is_an_overlap_with_the_row_above():
    one = [
        solved(c, optimizer=name, seed=s)
        for name, costs in (("a", (10, 60)), ("b", (20, 58)))
        for s, c in enumerate(costs)
    ]
    board = only(*one)
    assert [(r.rank, r.tied) for r in board.rows] == [(1, False), (2, True)]


def test_an_easy_part_of_the_tasks_does_not_lead():
    """Perfect on one task of four, and never run on the others, is a score of a quarter."""
    board = only(*on(TASKS, "adam", 40), *on(TASKS, "fast", 20), *on(TASKS[:1], "picky", 10))
    assert [(r.optimizer, r.rank, r.n_tasks, r.n_tasks_total) for r in board.rows] == [
        ("fast", 1, 4, 4),
        ("adam", 2, 4, 4),
        ("picky", 3, 1, 4),
    ]
    assert [r.score.value for r in board.rows] == [0.875, 0.375, 0.25]


def test_failures_and_skips_count_as_unsolved_alike():
    crash = [
        trial(task=t, optimizer="crash", seed=s, status="failed", error="boom") for t in TASKS[2:] for s in range(3)
    ]
    board = only(*on(TASKS, "adam", 40), *on(TASKS[:2], "crash", 40), *crash, *on(TASKS[:2], "skipped", 40))
    scores = {r.optimizer: r.score.value for r in board.rows}
    assert scores == {"adam": 1.0, "crash": 0.5, "skipped": 0.5}
    success = {r.optimizer: r.success.value for r in board.rows}
    assert success == {"adam": 1.0, "crash": 0.5, "skipped": 1.0}, "of the trials attempted"
    row = next(r for r in board.rows if r.optimizer == "crash")
    assert (row.n_solved, row.n_hits, row.n_trials, row.statuses) == (2, 6, 12, {"failed": 6, "solved": 6})
    assert (row.success.value, row.ert_ratio) == (0.5, 1.0)


def test_what_nobody_solved_counts_for_all():
    board = only(*on(TASKS[:1], "adam", 40), trial(task="t2"))
    assert (board.rows[0].score.value, board.rows[0].n_solved) == (0.5, 1)


def test_one_board_per_precision_in_their_order():
    boards = leaderboard(
        table(*on(TASKS, "adam", 40, precision="bf16"), *on(TASKS, "adam", 40), *on(TASKS, "b", 9, precision="new"))
    )
    assert [b.precision for b in boards] == ["fp64", "bf16", "new"]
    assert [b.n_records for b in boards] == [12, 12, 12]


def test_a_task_without_the_rung_is_left_out_and_said():
    other = [solved(40, task="steep", rungs=(0.5, 0.25), headline=0.25)]
    board = only(*on(TASKS, "adam", 40), *other, rung=1e-1)
    assert (board.tasks, board.rung, board.n_records) == (TASKS, 1e-1, 12)
    assert board.notes == ("1 task (steep) left out: no rung 0.1 on the ladder.",)


def test_baselines():
    rows = [*on(TASKS, "adam", 40), *on(TASKS, "fast", 20), *on(TASKS, "fast", 20, precision="fp32")]
    double, single = leaderboard(table(*rows))
    assert (double.baseline, single.baseline) == ("adam", "fast")
    assert (double.rows[0].versus.wins, double.rows[1].versus) == (12, None)
    double, single = leaderboard(table(*rows), baseline="adam")
    assert single.notes == ("adam has no records at this precision; fast stands in as the baseline.",)
    with pytest.raises(InputError, match=r"baseline 'adan' has no records\. Name one that has, for example 'adam'"):
        leaderboard(table(*rows), baseline="adan")


def test_mixtures_are_said():
    mixed = [*on(TASKS, "adam", 40), *on(TASKS, "b", 40, machine="another", threads=2, env_device="a GPU")]
    (note,) = only(*mixed, axis="time_s").notes
    assert note.startswith("Times mix 2 environments and must not be compared: a processor, 2 cores, 1 thread")
    assert "another, a GPU, 2 threads, torch 2.13.0" in note
    (note,) = only(*on(TASKS, "adam", 40), *on(TASKS[:1], "b", 40, budget_calls=50)).notes
    assert note == "1 task (t1) with records of several budgets, judged together."
    (note,) = only(*on(TASKS, "adam", 40), *on(TASKS, "adam", 40)).notes
    assert note.startswith("12 records repeat an optimizer, task and seed")


def test_records_without_an_environment_are_told():
    board = only(*on(TASKS, "adam", 40, machine=None, env_device=None, threads=None, torch=None))
    assert board.environments == ("an unknown machine",)


def test_facts_are_medians_of_what_is_known():
    rows = [
        solved(40, seed=s, state_bytes=b, time_s=t) for s, (b, t) in enumerate([(10, 0.4), (30, 4.0), (None, math.nan)])
    ]
    (row,) = only(
        *rows, trial(seed=9, status="killed", n_calls=math.nan, step=math.nan, time_s=math.nan, state_bytes=None)
    ).rows
    assert (row.state_bytes, row.call_s, row.step_s) == (20, pytest.approx(0.055), pytest.approx(0.044))


def test_endings_tell_the_first_message():
    odd = [trial(seed=s, status="failed", error=e) for s, e in enumerate([None, "second", "third"])]
    board = only(*odd, trial(seed=3, status="oom"), trial(seed=4, upcast="eigh"))
    assert [(e.status, e.n_trials, e.n_tasks, e.error) for e in board.endings] == [
        ("failed", 3, 1, "second"),
        ("oom", 1, 1, None),
    ]
    assert board.rows[0].upcast == "eigh"
    assert list(board.rows[0].statuses.items()) == [("failed", 3), ("budget", 1), ("oom", 1)]


@pytest.mark.parametrize("axis", ["step", "n_grad", "time_s"])
def test_the_order_of_records_changes_nothing(axis):
    runs = synthetic.runs(n_tasks=5, n_optimizers=4, n_seeds=3)
    shuffled = runs.sample(frac=1.0, random_state=0)
    assert leaderboard(shuffled, axis=axis) == leaderboard(runs, axis=axis)


def test_statistics_and_report_never_import_torch():
    code = (
        "import sys, rmobench.statistics;"
        "from rmobench.report import json_text, markdown, terminal;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
