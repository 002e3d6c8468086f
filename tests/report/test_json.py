"""The shapes of the JSON, strictly, and that the README names every key."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from rmobench.report import json_text
from rmobench.statistics import compare, leaderboard, robustness
from rmobench.types import Skip
from tests.report.shapes import README, Range, Strict
from tests.statistics.records import solved, table, trial


class Pairs(Strict):
    wins: int
    losses: int
    ties: int
    p_value: float | None


class Row(Strict):
    rank: int
    tied: bool
    optimizer: str
    score: Range
    n_tasks: int
    n_tasks_total: int
    n_trials: int
    n_hits: int
    success: Range
    ecdf_area: float
    ert_ratio: float | None
    n_solved: int
    call_s: float | None
    step_s: float | None
    model_bytes: float | None
    state_bytes: float | None
    peak_bytes: float | None
    memory: dict[str, float]
    final: float | None
    accuracy: float | None
    residual: float | None
    upcast: str | None
    statuses: dict[str, int]
    versus: Pairs | None


class Score(Strict):
    task: str
    optimizer: str
    precision: str
    axis: str
    rung: float
    n_trials: int
    n_hits: int
    success: Range
    ert: Range
    median: Range


class Ending(Strict):
    optimizer: str
    status: str
    n_trials: int
    n_tasks: int
    task: str
    error: str | None


class Board(Strict):
    precision: str
    axis: str
    rung: float | None
    baseline: str
    n_records: int
    n_seeds: int
    budgets: list[int]
    environments: list[str]
    tasks: list[str]
    rows: list[Row]
    scores: list[Score]
    endings: list[Ending]
    notes: list[str]


class Boards(Strict):
    shape: int
    boards: list[Board]
    skips: list[Skip]


class Change(Strict):
    task: str
    optimizer: str
    precision: str
    verdict: str
    why: list[str]
    n_seeds: int
    hits_a: int | None
    hits_b: int | None
    calls_ratio: float | None
    calls_ratio_worst: float | None
    state_ratio: float | None
    peak_ratio: float | None
    pace_ratio: float | None


class Changes(Strict):
    shape: int
    worse: bool
    changes: list[Change]


class Robustness(Strict):
    optimizer: str
    precision: str
    task: str | None
    n_tasks: int
    reference: str
    n_trials: int
    n_hits: int
    n_lost: int
    n_gained: int
    penalty: Range
    floor: float | None
    floor_ratio: float | None
    failures: dict[str, int]
    first_failure: float | None
    residual: float | None
    drift: float | None
    stagnation: float | None
    deviation: float | None
    state_bytes: float | None
    state_copies: float | None
    upcast: str | None


class Breaking(Strict):
    task: str
    optimizer: str
    precision: str
    argument: str
    swept: list[float]
    n_hits: list[int]
    n_trials: list[int]
    broken_at: float | None


class PrecisionBoard(Strict):
    axis: str
    rung: float | None
    at_headline: list[str]
    overall: list[Robustness]
    tasks: list[Robustness]
    breaking: list[Breaking]


class Precisions(Strict):
    shape: int
    board: PrecisionBoard


PRECISIONS = [Robustness, Breaking, PrecisionBoard, Precisions]


def test_leaderboard_has_its_shape(runs, skips):
    found = msgspec.json.decode(json_text.leaderboard(leaderboard(runs), skips), type=Boards)
    assert (found.shape, found.boards[0].rows[0].optimizer, len(found.skips)) == (1, "rsgd[lr=0.1]", 2)
    assert len(found.boards[0].scores) == 8


def test_infinite_is_null():
    text = json_text.leaderboard(leaderboard(table(trial(seed=0), trial(seed=1, state_bytes=None))))
    score = json.loads(text, parse_constant=pytest.fail)["boards"][0]["scores"][0]
    assert (score["ert"]["value"], score["ert"]["high"]) == (None, None)
    assert score["ert"]["low"] > 0
    assert score["success"]["value"] == 0.0


def test_comparison_has_its_shape(runs):
    found = msgspec.json.decode(json_text.comparison(compare(runs, runs.iloc[1:])), type=Changes)
    assert not found.worse
    gone = json_text.comparison(compare(runs, table(solved(40, task="other"))))
    assert msgspec.json.decode(gone, type=Changes).worse


def test_precisions_have_their_shape(precisions):
    found = msgspec.json.decode(json_text.robustness(robustness(precisions)), type=Precisions).board
    assert [row.penalty.value for row in found.overall] == [1.0, pytest.approx(2.0), None, None]
    assert {row.failures.get("nonfinite") for row in found.overall} == {None, 3}
    assert found.breaking == []


@pytest.mark.parametrize("shape", [Range, Pairs, Row, Score, Ending, Board, Boards, Change, Changes, *PRECISIONS])
def test_the_readme_names_every_key(shape):
    """Between backticks or in quotes; the keys of a skip are those of a score and `reason`."""
    words = set(re.findall(r"[`\"](\w+)[`\"]", README.read_text(encoding="utf-8")))
    assert {field.name for field in msgspec.structs.fields(shape)} | {"reason"} <= words
