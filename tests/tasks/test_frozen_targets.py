"""Frozen targets: the files agree with the tasks, and the rule that made them."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest

import rmobench.tasks as rooms
from rmobench.registry import choose_optimizers, choose_tasks, tasks
from rmobench.types import Budget, Point, Record, Status, Target, Trial
from suites.freeze_target import Ladder, along, reached, rounded_up, run, rung, winner

FAMILIES = ("orthogonal", "language", "vision")
FILES = sorted(path for family in FAMILIES for path in Path(rooms.__path__[0]).glob(f"{family}/targets/*.json"))
BORROWED = [file for file in FILES if file.parts[-3] == "vision"]
"""Files with the rungs of another task; those of the others a baseline of the task itself has set."""

FROZEN = [file for file in FILES if file not in BORROWED]
THE_USERS = ("folder_classification",)
"""Made of a user's model and texts: it is judged relative to its start."""


@pytest.mark.parametrize("family", FAMILIES)
def test_every_stochastic_task_has_one(family: str) -> None:
    stochastic = {s.name for s in tasks().values() if s.family == family and "stochastic" in s.offers}
    assert {file.stem for file in FILES if file.parts[-3] == family} == stochastic - {*THE_USERS}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_task_has_the_target_of_its_file(file: Path) -> None:
    frozen, spec = json.loads(file.read_text(encoding="utf-8")), tasks()[file.stem]
    target = spec.target
    assert (target.metric, target.mode) == (frozen["metric"], frozen["mode"])
    assert (list(target.rungs), target.headline) == (frozen["rungs"], frozen["headline"])
    assert spec.version == frozen["task_version"]
    assert [chosen.label for chosen in choose_tasks(file.stem)] == [frozen["task"]]


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.stem)
def test_its_rungs_follow_from_the_values_beside_them(file: Path) -> None:
    frozen = json.loads(file.read_text(encoding="utf-8"))
    values = frozen["provenance"].get("values")
    if values is None:
        assert frozen["provenance"]["provisional"]
        pytest.skip(f"{file.stem}: {frozen['provenance']['rule']}")
    digits = frozen["provenance"].get("digits", 2)
    medians = [sorted(v)[len(v) // 2] for v in values.values()]
    assert frozen["rungs"] == sorted({rounded_up(m, digits) for m in medians}, reverse=True)
    assert frozen["headline"] == frozen["provenance"]["rung_of_share"][f"{frozen['provenance']['headline_share']:g}"]


@pytest.mark.parametrize("file", BORROWED, ids=lambda file: file.stem)
def test_rungs_of_another_task_stand_beside_what_a_baseline_reached(file: Path) -> None:
    """The headline lies between two medians; it is not what half of the budget reaches."""
    frozen = json.loads(file.read_text(encoding="utf-8"))
    said = frozen["provenance"]
    lender, measured = tasks()[said["rungs_of"]].target, said.get("measured")
    assert (frozen["rungs"], frozen["headline"]) == (list(lender.rungs), lender.headline)
    if measured is None:
        assert said["provisional"]
        pytest.skip(f"{file.stem}: {said['rule']}")
    medians = {share: statistics.median(values) for share, values in measured["values"].items()}
    assert measured["rung_of_share"] == {share: rounded_up(m) for share, m in medians.items()}
    assert measured["headline"] == measured["rung_of_share"]["0.5"]
    before, after = said["headline_between_shares"]
    assert medians[f"{after:g}"] <= frozen["headline"] < medians[f"{before:g}"]
    assert len(measured["seeds"]) == 5 and measured["tuning_points"] == 16


@pytest.mark.parametrize(
    ("value", "expected"), [(0.1234, 0.13), (0.13, 0.13), (1.0, 1.0), (0.999, 1.0), (23.1, 24.0), (0.0801, 0.081)]
)
def test_rounding_up_to_two_digits(value: float, expected: float) -> None:
    assert rounded_up(value) == expected


def test_rounding_up_to_four_digits() -> None:
    assert [rounded_up(value, 4) for value in (2.00012, 1.9, 0.44321)] == [2.001, 1.9, 0.4433]


def record(
    label: str, end: float | None, *, seed: int = 0, status: Status = Status.budget, residual: float = 0.0
) -> Record:
    trial = Trial(
        task="t", args={}, task_version=1, optimizer=label, hyper={}, optimizer_version=1, seed=seed,
        budget=Budget(n_calls=16), label=label,
    )  # fmt: skip
    target = Target(metric="objective", rungs=(0.0,), headline=0.0)
    metrics = {"objective": end, "residual": residual}
    spent = Point(step=16, n_loss=0, n_grad=16, n_hvp=0, time_s=0.0, metrics=metrics)
    return Record(id=trial.id, trial=trial, family="f", target=target, status=status, spent=spent)


def test_what_is_reached_is_the_value_at_the_end() -> None:
    assert reached(record("a", 3.0)) == 3.0


@pytest.mark.parametrize(
    "how",
    [{"status": s} for s in (Status.nonfinite, Status.infeasible, Status.timeout)] + [{"residual": 1.0}, {"end": None}],
)
def test_a_trial_that_went_wrong_has_reached_nothing(how: dict) -> None:
    assert reached(record("a", **{"end": 3.0, **how})) == math.inf


def test_a_share_of_the_budget_is_a_trial_of_its_own() -> None:
    """The last point is judged, whatever the schedule of those before it."""
    (rsgd,) = choose_optimizers("rsgd")
    for share in (0.25, 0.5, 1.0):
        (found,) = run("pca_digits", [rsgd], range(1), share=share, precision="fp64", jobs=1)
        assert found.spent.n_grad == round(1000 * share)
        assert found.spent.metrics["objective"] is not None


def test_a_rung_is_the_median_over_seeds() -> None:
    assert rung([1.0, 0.111, 5.0], 1.0) == 1.0
    assert rung([1.0, 0.111, 5.0, 0.5], 1.0) == 0.75
    assert rung([1.00012, 0.111, 5.0], 1.0, 4) == 1.001


def test_a_share_on_the_way_is_what_a_trial_of_its_own_ends_with() -> None:
    """One trial that is judged at the shares, and one for each."""
    (rsgd,) = choose_optimizers("rsgd")
    how = {"shares": (0.25, 0.5, 1), "headline": 0.5, "digits": 4}
    each, at_once = (
        along("pca_digits", rsgd, range(2), Ladder(**how, at_once=at_once), precision="fp64", jobs=1)[0]
        for at_once in (False, True)
    )
    assert each == at_once


def test_the_winner_has_the_lowest_median() -> None:
    lucky = [record("lucky", v, seed=k) for k, v in enumerate((0.01, 5.0, 5.0))]
    steady = [record("steady", v, seed=k) for k, v in enumerate((1.0, 1.0, 9.0))]
    assert winner([*lucky, *steady]) == "steady"


def test_a_frozen_value_is_apart_from_tuning_and_reported_seeds() -> None:
    from rmobench.harness.tuning import FIRST_SEED
    from suites.freeze_target import FREEZING_SEED

    assert 0 < FIRST_SEED < FIRST_SEED + 10_000 < FREEZING_SEED
