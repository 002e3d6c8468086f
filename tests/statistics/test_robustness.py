"""What a precision costs, from records by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmobench.errors import InputError
from rmobench.report.robustness import title
from rmobench.statistics import robustness
from rmobench.statistics.trajectory import RESOLUTION, best, deviation, drift
from tests.statistics.records import solved, table, traced, trial

FALLING = {0: 1.0, 1: 0.5, 4: 0.2, 20: 0.05, 50: 0.02}


def at(precision, record, metrics=FALLING, **seen):
    return traced(record | {"precision": precision}, metrics, **seen)


def rows(*records, **how):
    return {row.precision: row for row in robustness(table(*records), **how).tasks}


def both(reference, other, precision="bf16", **how):
    """Return the row of `other` at a precision beside `reference` in fp64, both as (record, metrics)."""
    return rows(at("fp64", *reference), at(precision, *other), **how)[precision]


# --- 1 penalty ---------------------------------------------------------------------------------------------


def test_the_penalty_is_the_geometric_mean_over_paired_seeds():
    """Seeds cost 4 and 9 times as much: the mean is 6, however different the seeds are."""
    found = rows(
        *(at("fp64", solved(10, seed=s)) for s in (0, 1)),
        at("bf16", solved(40, seed=0)),
        at("bf16", solved(90, seed=1)),
    )
    penalty = found["bf16"].penalty
    assert (penalty.value, penalty.low, penalty.high) == pytest.approx((6.0, 4.0, 9.0))
    assert (found["bf16"].n_lost, found["bf16"].n_gained, found["bf16"].n_hits) == (0, 0, 2)
    assert (found["fp64"].penalty.value, found["fp64"].penalty.low, found["fp64"].penalty.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("reference", "other", "value", "lost", "gained"),
    [
        (solved(20), solved(60), 3.0, 0, 0),
        (solved(20), trial(), 10.0, 1, 0),  # 10 steps against the whole budget of 100
        (trial(), solved(20), 0.1, 0, 1),
        (trial(), trial(), math.nan, 0, 0),  # a pair that misses twice says nothing
    ],
)
def test_a_miss_pays_the_whole_budget(reference, other, value, lost, gained):
    row = both((reference,), (other,))
    assert row.penalty.value == pytest.approx(value, nan_ok=True)
    assert (row.n_lost, row.n_gained) == (lost, gained)
    if not math.isnan(value):
        assert (row.penalty.low, row.penalty.high) == (0.0, math.inf), "one seed says nothing about others"


@pytest.mark.parametrize(("axis", "value"), [("step", 6.0), ("n_grad", 2.0), ("time_s", 4.0)])
def test_every_axis_counts_its_own(axis, value):
    """The reference takes 10 steps, 20 calls and 0.2 s."""
    other = solved(40, hit_step=[30, 60], hit_time_s=[0.4, 0.8])
    assert both((solved(20),), (other,), axis=axis).penalty.value == pytest.approx(value)


def test_another_rung_is_compared_at_that_rung():
    reference, other = trial({1e-1: 10}), trial({1e-1: 50})
    assert both((reference,), (other,), rung=1e-1).penalty.value == pytest.approx(5.0)
    assert math.isnan(both((reference,), (other,)).penalty.value)


def test_a_task_without_the_rung_is_compared_at_its_headline_and_named():
    """Not left out without a word: a network has no gap of 1e-2."""
    ladder = {"rungs": [0.5], "headline": 0.5, "task": "network"}
    network = [trial({0.5: n}, **ladder) | {"id": f"network{n}"} for n in (10, 30)]
    with_rung = [trial({1e-1: n}) for n in (10, 50)]
    pairs = zip(("fp64", "bf16"), with_rung, network, strict=True)
    board = robustness(table(*(at(p, r) for p, *mine in pairs for r in mine)), rung=1e-1)
    assert board.at_headline == ("network",)
    found = {row.task: row.penalty.value for row in board.tasks if row.precision == "bf16"}
    assert found["network"] == pytest.approx(3.0) and len(found) == 2
    assert "to the rung 0.1 (network: to the headline)" in title(board)
    assert robustness(table(*(at("fp64", r) for r in with_rung)), rung=1e-1).at_headline == ()


def test_without_fp64_the_widest_precision_is_the_reference():
    found = rows(at("bf16", solved(60)), at("fp32", solved(20)), at("bf16-amp", solved(30)))
    assert {row.reference for row in found.values()} == {"fp32"}
    assert found["bf16"].penalty.value == pytest.approx(3.0)
    assert found["bf16-amp"].penalty.value == pytest.approx(1.5)


def test_a_seed_without_a_partner_is_not_compared():
    row = rows(at("fp64", solved(20, seed=0)), at("bf16", solved(60, seed=0)), at("bf16", solved(99, seed=1)))["bf16"]
    assert (row.penalty.value, row.n_trials, row.n_hits) == (pytest.approx(3.0), 2, 2)
    alone = rows(at("fp64", solved(20, seed=0)), at("bf16", trial(seed=1)))["bf16"]
    assert (alone.n_lost, alone.n_gained) == (0, 0)
    assert all(map(math.isnan, (alone.penalty.value, alone.floor_ratio, alone.deviation)))


# --- 2 floor -----------------------------------------------------------------------------------------------


def test_the_floor_is_the_best_of_the_way_and_not_the_end():
    low = (trial(final=0.3), {0: 1.0, 5: 0.04, 50: 0.3})
    row = both((trial(final=0.01), {0: 1.0, 50: 0.01}), low)
    assert (row.floor, row.floor_ratio) == (0.04, pytest.approx(4.0))


def test_a_hit_between_the_kept_points_bounds_the_floor():
    row = both((solved(20, final=0.01), {0: 1.0}), (trial({1e-1: 8}, final=0.4), {0: 1.0, 50: 0.4}))
    assert (row.floor, row.floor_ratio) == (0.1, pytest.approx(10.0))


def test_more_is_better_where_the_task_says_so():
    """An accuracy of 0.6 instead of 0.9 is 1.5 times worse."""
    up = {"mode": "max", "metric": "accuracy", "rungs": (0.5, 0.95), "headline": 0.95}
    row = both((trial(final=0.9, **up), {0: 0.1, 50: 0.9}), (trial(final=0.6, **up), {0: 0.1, 50: 0.6}))
    assert (row.floor, row.floor_ratio) == (0.6, pytest.approx(1.5))


def test_what_is_below_the_judges_resolution_is_equal():
    assert best(np.array([0.0, -1e-18, np.nan]), mode="min") == RESOLUTION
    assert math.isnan(best(np.array([np.nan, np.inf]), mode="min"))


# --- 4 drift, 6 deviation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 1.0])
def test_drift_is_the_power_of_the_steps(power):
    step = np.array([0.0, 1.0, 3.0, 10.0, 30.0])
    residual = np.array([7.0, *(1e-6 * step[1:] ** power)])
    assert drift(step, residual) == pytest.approx(power, abs=1e-12)


@pytest.mark.parametrize("residual", [[0.0] * 5, [np.nan] * 5, [1.0, 0.0, 2.0, 0.0, 3.0]])
def test_drift_needs_three_points_off_the_constraint(residual):
    assert math.isnan(drift(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array(residual)))


def test_residual_and_drift_arrive_in_the_row():
    residuals = {step: 1e-8 * step for step in FALLING}
    found = rows(*(at("bf16", trial(seed=s, residual=s * 1e-3), residuals=residuals) for s in (1, 2)))["bf16"]
    assert (found.residual, found.drift) == (2e-3, pytest.approx(1.0))


def test_deviation_counts_shared_steps_up_to_the_reference_hit():
    """Of steps 1, 4, 20, 50 the reference hits at 20; off by 1, 2 and 3 decades until then; the start is no step."""
    reference = (solved(40), {0: 1.0, 1: 1e-1, 4: 1e-2, 20: 1e-3, 50: 1e-4})
    other = {0: 9.0, 1: 1.0, 2: 5.0, 4: 1.0, 20: 1.0, 50: 1.0}
    assert both(reference, (trial(), other)).deviation == pytest.approx(2.0)
    assert both(reference, (trial(), {0: 9.0, 2: 5.0})).deviation == pytest.approx(math.nan, nan_ok=True)


def test_deviation_leaves_out_what_is_not_finite():
    a = (np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.1, np.nan]))
    b = (np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.01, 0.01]))
    assert deviation(a, b, until=math.inf) == pytest.approx(1.0)


# --- 5 stagnation, 8 state and upcasts ---------------------------------------------------------------------


def test_stagnation_is_what_the_rehearsals_saw():
    found = rows(*(at("bf16", trial(seed=s), stagnation=x) for s, x in enumerate((0.1, 0.7, 0.9))), at("fp64", trial()))
    assert found["bf16"].stagnation == 0.7
    assert math.isnan(found["fp64"].stagnation)


@pytest.mark.parametrize(
    ("precision", "state_bytes", "copies"),
    [("fp64", 32.0, 2.0), ("bf16", 8.0, 2.0), ("bf16", 16.0, 4.0), ("bf16-amp", 16.0, 2.0), ("fp16", 0.0, 0.0)],
)
def test_state_is_counted_in_numbers_of_the_precision(precision, state_bytes, copies):
    """Two parameters: two moments each are two copies; kept in float32 beside bfloat16 they are four."""
    row = rows(at(precision, trial(state_bytes=state_bytes)))[precision]
    assert (row.state_bytes, row.state_copies) == (state_bytes / 2, copies)


def test_upcasts_are_named_once():
    said = [
        at("bf16", trial(seed=s, upcast=text)) for s, text in enumerate(("eigh in float32", None, "eigh in float32"))
    ]
    assert rows(*said)["bf16"].upcast == "eigh in float32"
    assert rows(at("bf16", trial()))["bf16"].upcast is None


def test_unknown_bytes_are_unknown():
    assert math.isnan(rows(at("bf16", trial(state_bytes=None, n_params=None)))["bf16"].state_bytes)


# --- over the tasks ----------------------------------------------------------------------------------------


def test_tasks_weigh_equally_and_are_resampled():
    """Penalties of 2 on a task of three seeds and of 8 on a task of one: 4, not 2^(5/4)."""
    records = [
        at(p, solved(c, task=task, seed=s))
        for task, n_seeds, factor in (("a", 3, 2), ("b", 1, 8))
        for s in range(n_seeds)
        for p, c in (("fp64", 10), ("bf16", 10 * factor))
    ]
    (_, over) = robustness(table(*records)).overall
    assert (over.precision, over.task, over.n_tasks, over.n_trials) == ("bf16", None, 2, 4)
    assert (over.penalty.value, over.penalty.low, over.penalty.high) == pytest.approx((4.0, 2.0, 8.0))


def test_a_task_without_a_penalty_counts_in_everything_else():
    records = [
        at("fp64", solved(10, task="a"), {0: 1.0, 5: 0.01}),
        at("bf16", solved(20, task="a", final=0.01), {0: 1.0, 10: 0.01}),
        at("fp64", trial(task="b", final=0.01), {0: 1.0, 50: 0.01}),
        at("bf16", trial(task="b", status="nonfinite", step=7.0, final=0.04), {0: 1.0, 7: np.nan}),
    ]
    over = {row.precision: row for row in robustness(table(*records)).overall}["bf16"]
    assert over.penalty.value == pytest.approx(2.0)
    assert over.floor_ratio == pytest.approx(2.0), "the geometric mean of 1 and 4"
    assert (over.failures, over.first_failure, over.n_hits) == ({"nonfinite": 1}, 7.0, 1)
    assert math.isnan(over.floor), "metrics of several tasks have no common unit"


def test_nothing_but_misses_has_no_penalty_and_no_error():
    records = [at(p, trial(task=t, seed=s)) for p in ("fp64", "fp16") for t in "ab" for s in (0, 1)]
    board = robustness(table(*records))
    assert all(math.isnan(row.penalty.value) for row in (*board.tasks, *board.overall))
    assert [row.n_trials for row in board.overall] == [4, 4]
    assert board.breaking == ()


def test_metrics_that_are_never_finite_are_unknown():
    lost = traced(trial(precision="fp16", status="killed", step=np.nan, final=np.nan, residual=np.nan), {})
    row = rows(at("fp64", solved(20)), lost)["fp16"]
    unknown = (row.floor, row.floor_ratio, row.deviation, row.drift, row.residual, row.first_failure)
    assert all(map(math.isnan, unknown))
    assert (row.failures, row.n_lost) == ({"exception": 1}, 1)


def test_the_order_of_the_records_changes_nothing():
    runs = table(*(at(p, solved(c + s, seed=s)) for p, c in (("fp64", 10), ("bf16", 30)) for s in range(4)))
    assert repr(robustness(runs.sample(frac=1.0, random_state=1))) == repr(robustness(runs))


def test_records_without_traces_are_refused():
    with pytest.raises(InputError, match=r"got records without trace_step.*trace=True"):
        robustness(table(solved(10)))
