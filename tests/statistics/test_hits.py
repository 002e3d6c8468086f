"""The whole-budget rule."""

from __future__ import annotations

import numpy as np
import pytest

from rmobench.errors import InputError
from rmobench.statistics.hits import at_rung, censored_log, costs
from tests.statistics.records import solved, table, trial


@pytest.mark.parametrize(("axis", "cost"), [("step", 20.0), ("n_grad", 40.0), ("time_s", 0.4)])
def test_a_hit_pays_what_it_had_spent(axis, cost):
    found = at_rung(costs(table(solved(40)), axis=axis), None)
    assert found["hit"].tolist() == [True]
    assert found["cost"].item() == pytest.approx(cost)


@pytest.mark.parametrize("status", ["budget", "failed", "stopped", "nonfinite", "oom"])
@pytest.mark.parametrize(("axis", "charge"), [("step", 100.0), ("n_grad", 100.0), ("time_s", 1.0)])
@pytest.mark.parametrize("spent", [1.0, 10.0, 100.0])
def test_ending_early_never_pays(status, axis, charge, spent):
    """Whatever ended it and however soon, a miss pays the whole budget; its own pace sets the seconds."""
    runs = table(trial(status=status, step=spent, n_calls=spent, time_s=spent / 100))
    assert costs(runs, axis=axis)["cost"].tolist() == pytest.approx([charge, charge])


@pytest.mark.parametrize(
    "lost", [{"n_calls": np.nan, "time_s": np.nan}, {"n_calls": 0.0, "time_s": 0.0}, {"n_calls": 3.0, "time_s": 0.0}]
)
def test_an_unknown_pace_pays_the_time_budget(lost):
    assert costs(table(trial(status="killed", **lost)), axis="time_s")["cost"].tolist() == [10.0, 10.0]


def test_a_start_at_the_target_is_not_free():
    assert costs(table(trial({1e-1: 0, 1e-2: 0})), axis="n_grad")["cost"].tolist() == [1.0, 1.0]


def test_nothing_is_dropped():
    """Every record gives a row per rung of its own ladder, hits or none."""
    runs = table(solved(40), trial(), trial({0.5: 7.0}, task="other", rungs=[0.5, 0.25, 0.125], headline=0.25))
    found = costs(runs, axis="n_grad")
    assert found.groupby("task", observed=True).size().to_dict() == {"valley[dim=2]": 4, "other": 3}
    assert found.loc[found["task"] == "other", "hit"].tolist() == [True, False, False]
    assert found.loc[found["headline"], "rung"].tolist() == [0.25, 1e-2, 1e-2]


def test_arrays_serve_as_well_as_lists():
    runs = table(solved(40), trial())
    arrays = runs.copy()
    for column in ("rungs", "hit_rung", "hit_n_grad"):
        arrays[column] = [np.array(values, dtype=float) for values in runs[column]]
    assert costs(arrays, axis="n_grad").equals(costs(runs, axis="n_grad"))


def test_a_pair_censors_at_twice_the_charge():
    chosen = at_rung(costs(table(solved(40, seed=0), trial(seed=1)), axis="n_grad"), None)
    assert np.exp(censored_log(chosen)) == pytest.approx([40.0, 200.0])


@pytest.mark.parametrize(
    ("runs", "axis", "message"),
    [
        (table(solved(40)).iloc[:0], "n_grad", r"there are no records to judge\. `rmobench run smoke` makes some"),
        (table(solved(40)), "seconds", r"got axis 'seconds', expected one of step, n_grad, time_s"),
    ],
)
def test_bad_input_is_named(runs, axis, message):
    with pytest.raises(InputError, match=message):
        costs(runs, axis=axis)


def test_an_unknown_rung_names_the_ladder():
    with pytest.raises(InputError, match=r"got rung 0\.5, expected one that a task has: 0\.1, 0\.01"):
        at_rung(costs(table(solved(40)), axis="n_grad"), 0.5)
