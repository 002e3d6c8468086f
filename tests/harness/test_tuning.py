"""Tuning points and the suite that measures the winners."""

import math
from types import SimpleNamespace

import msgspec
import pytest

from rmobench.errors import InputError, UnknownNameError
from rmobench.harness.suite import SuiteFile, Sweep, expand
from rmobench.harness.tuning import FIRST_SEED, at_one_precision, points, tunable, tuned_suite, tuning_plan
from rmobench.registry import choose_optimizers, optimizers
from rmobench.types import Choice

TUNABLE = sorted(name for name, spec in optimizers().items() if spec.search)
RUNS = (Sweep(tasks=("sphere[dim=2]", "trid[dim=3]"), optimizers=("bfgs",), seeds=2, n_calls=50),)


@pytest.mark.parametrize("name", TUNABLE)
def test_points_lie_in_the_declared_space_and_repeat(name):
    spec = optimizers()[name]
    chosen = points(tunable(name), 16)
    assert [c.hyper for c in chosen] == [c.hyper for c in points(tunable(name), 16)]
    ways = math.prod(len(where.values) if isinstance(where, Choice) else 16 for where in spec.search.values())
    assert len({c.label for c in chosen}) == min(16, ways)
    for key, where in spec.search.items():
        values = [c.hyper[key] for c in chosen]
        inside = [v in where.values if isinstance(where, Choice) else where.low <= v <= where.high for v in values]
        assert all(inside)


def test_points_of_a_log_range_are_spread_evenly_over_its_logarithm():
    """A Sobol net of 16 points has one in every sixteenth."""
    lr = [c.hyper["lr"] for c in points(tunable("adam"), 16)]
    sixteenths = sorted(int(16 * math.log(v / 1e-4) / math.log(1.0 / 1e-4)) for v in lr)
    assert sixteenths == list(range(16))


def test_what_is_given_is_held_and_the_rest_is_searched():
    what = tunable("plain = rsgd[momentum=0.0]")
    chosen = points(what, 16)
    assert (what.label, list(what.search)) == ("plain", ["lr"])
    assert {c.hyper["momentum"] for c in chosen} == {0.0}
    assert len({c.hyper["lr"] for c in chosen}) == 16
    assert choose_optimizers(chosen[0].label)[0].hyper == chosen[0].hyper
    assert tunable("rsgd").label == "rsgd"


def test_given_values_are_searched_and_the_rest_is_held():
    """Integers become the floats that they stand for, as everywhere."""
    what = tunable("plain = rsgd[lr=(0.01,0.1,1)]")
    chosen = points(what, 3)
    assert [c.hyper for c in chosen] == [{**what.spec.defaults, "lr": lr} for lr in (0.01, 0.1, 1.0)]
    assert choose_optimizers(chosen[2].label)[0].hyper == chosen[2].hyper
    both = points(tunable("rsgd[lr=(0.01,0.1),momentum=(0.0,0.9)]"), 4)
    assert [(c.hyper["lr"], c.hyper["momentum"]) for c in both] == [(0.01, 0.0), (0.01, 0.9), (0.1, 0.0), (0.1, 0.9)]
    held = points(tunable("adam[lr=(0.01,0.1),beta1=0.5]"), 2)
    assert [(c.hyper["lr"], c.hyper["beta1"]) for c in held] == [(0.01, 0.5), (0.1, 0.5)]


def test_all_are_tuned_with_as_many_settings():
    with pytest.raises(InputError, match="got 3 settings of plain, expected 16: all are tuned with as many"):
        points(tunable("plain = rsgd[lr=(0.01,0.1,1)]"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rsgd[lr=(0.1,0.1)]", "got lr=\\(0.1, 0.1\\) in .* expected several values, each once"),
        ("rsgd[lr=(0.1,)]", "expected several values, each once"),
        ("rsgd[speed=(0.1,1.0)]", "no parameter 'speed'"),
        ("optimus", "optimus leaves nothing to search; optimus declares no range"),
        ("rsgd[lr=0.1,momentum=0.9]", "leaves nothing to search; rsgd declares lr, momentum"),
        ("@classical", "got '@classical', expected one registered optimizer"),
        ("a = b = adam", "expected one label"),
    ],
)
def test_what_cannot_be_tuned_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        tunable(text)


def test_tuning_seeds_are_never_reported():
    plan = tuning_plan(RUNS, tunable("adam"), n_points=4, n_seeds=2)
    assert {p.trial.seed for p in plan.trials} == {FIRST_SEED, FIRST_SEED + 1}
    assert {p.trial.budget.n_calls for p in plan.trials} == {50}
    assert len(plan.trials) == 2 * 4 * 2


TWO = (
    Sweep(tasks=("sphere[dim=2]",), optimizers=("bfgs",), precisions=("fp32", "bf16")),
    Sweep(tasks=("trid[dim=3]",), optimizers=("bfgs",)),
)


@pytest.mark.parametrize(("precision", "expected"), [(None, ["fp32", "fp64"]), ("bf16", ["bf16"]), ("fp64", ["fp64"])])
def test_tuning_is_at_one_precision(precision, expected):
    """The tables that have it; without one, each table at its first."""
    chosen = at_one_precision(TWO, precision)
    assert [run.precisions for run in chosen] == [(name,) for name in expected]
    plan = tuning_plan(chosen, tunable("adam"), n_points=2, n_seeds=1)
    assert [p.trial.precision for p in plan.trials] == [name for name in expected for _ in range(2)]


@pytest.mark.parametrize(
    ("precision", "error", "message"),
    [
        ("fp16", InputError, "got --precision fp16, expected one that the suite has: bf16, fp32, fp64"),
        ("half", UnknownNameError, "half"),
    ],
)
def test_a_precision_that_the_suite_does_not_have_is_refused(precision, error, message):
    with pytest.raises(error, match=message):
        at_one_precision(TWO, precision)


def test_the_suite_of_the_winners_runs_each_on_its_task():
    won = SimpleNamespace(
        by_task={"sphere[dim=2]": "adam[lr=0.5]", "trid[dim=3]": "adam[lr=0.25]"}, overall="adam[lr=0.125]"
    )
    text = tuned_suite(RUNS, {"adam": won}, n_points=4, n_seeds=2)
    plan = expand(msgspec.toml.decode(text, type=SuiteFile).runs)
    found = {(p.trial.task_label, p.trial.label, p.trial.hyper["lr"]) for p in plan.trials}
    assert found == {
        ("sphere[dim=2]", "adam_tuned", 0.5),
        ("trid[dim=3]", "adam_tuned", 0.25),
        ("sphere[dim=2]", "adam_tuned_once", 0.125),
        ("trid[dim=3]", "adam_tuned_once", 0.125),
    }
    assert {(p.trial.seed, p.trial.budget.n_calls) for p in plan.trials} == {(0, 50), (1, 50)}


def test_one_label_for_two_optimizers_is_refused():
    run = Sweep(tasks=("sphere[dim=2]",), optimizers=("mine = adam", "mine = bfgs"))
    with pytest.raises(InputError, match="got the label 'mine' for two optimizers"):
        expand([run])


def test_two_labels_of_one_trial_are_run_once_and_both_named():
    plan = expand([Sweep(tasks=("sphere[dim=2]",), optimizers=("a = bfgs", "b = bfgs"), seeds=1)])
    assert len(plan.trials) == 1
    assert set(plan.labels) == {(label, plan.trials[0].trial.id) for label in ("a", "b")}


def test_a_task_that_an_optimizer_does_not_fit_is_left_out_of_its_winners():
    winners = {"a": SimpleNamespace(by_task={"sphere[dim=2]": "adam[lr=0.1]"}, overall="adam[lr=0.1]")}
    text = tuned_suite(RUNS, winners, n_points=4, n_seeds=2)
    suite = msgspec.toml.decode(text, type=SuiteFile)
    assert [run.tasks for run in suite.runs if any("a_tuned =" in o for o in run.optimizers)] == [("sphere[dim=2]",)]
