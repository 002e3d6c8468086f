"""Growth with the dimension, on exact power laws."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from tests.claims.cases import task
from tests.statistics.records import table, trial

(CLAIM,) = choose_claims("optimus_cost")
DIMS = (125, 250, 500, 1000)
N_SEEDS = 3
EXACT = 1e-12
"""Slopes of four logarithms."""
Law = Callable[[int], float]


def rows(optimizer: str, step_s: Law, state_bytes: Law, noise: float = 0.0) -> list[dict]:
    """Make trials of 20 steps; seed s is (1 + noise)^s times dearer in the largest dimension."""
    return [
        trial(
            optimizer=optimizer,
            task=task("sphere", dim),
            seed=seed,
            step=20.0,
            time_s=20.0 * step_s(dim) * ((1.0 + noise) ** seed if dim == DIMS[-1] else 1.0),
            state_bytes=state_bytes(dim),
        )
        for dim in DIMS
        for seed in range(N_SEEDS)
    ]


def runs(state_power: float = 2.0, step_power: float = 2.0, noise: float = 0.0) -> pd.DataFrame:
    ours = rows("optimus", lambda d: 1e-9 * d**step_power, lambda d: 8.0 * d**state_power, noise)
    return table(*ours, *rows("adam", lambda d: 1e-5 * d / 125, lambda d: 16.0 * d))


def found(table: pd.DataFrame) -> Finding:
    return examine(CLAIM, Evidence(runs={"optimus_cost": table}))


def measured(finding: Finding, name: str) -> Measure:
    return next(m for m in finding.measures if m.name == name)


@pytest.mark.parametrize("power", [1.0, 1.95, 2.0, 3.0])
def test_slopes_of_exact_power_laws_are_exact(power):
    finding = found(runs(power, power))
    for name in ("bytes of state", "seconds per step", "seconds per step, dimension 500 to 1000"):
        value = measured(finding, f"optimus: {name}").value
        assert (value.value, value.low, value.high) == pytest.approx((power,) * 3, rel=EXACT)


@pytest.mark.parametrize(
    ("state", "step", "noise", "verdict"),
    [
        (2.0, 2.0, 0.0, Verdict.holds),
        (1.95, 1.6, 0.0, Verdict.holds),
        (2.0, 2.0, 0.1, Verdict.holds),
        (1.0, 2.0, 0.0, Verdict.does_not_hold),
        (2.2, 2.0, 0.0, Verdict.does_not_hold),
        (2.0, 1.0, 0.0, Verdict.does_not_hold),
        (2.0, 1.4, 0.2, Verdict.undecided),
    ],
)
def test_state_must_be_quadratic_and_time_more_than_linear(state, step, noise, verdict):
    finding = found(runs(state, step, noise))
    assert finding.verdict is verdict
    assert [m.wants for m in finding.deciding] == ["above", "below", "above"]


def test_a_constant_that_hides_the_growth_in_small_dimensions_does_not_decide():
    """Flat up to 500, quadratic beyond: the slope over all dimensions is 0.6, between the two largest it is 2."""
    law = rows("optimus", lambda d: 1e-9 * max(d, 500) ** 2, lambda d: 8.0 * d**2)
    finding = found(table(*law, *rows("adam", lambda d: 1e-5, lambda d: 16.0 * d)))
    assert finding.deciding[-1].value.value == pytest.approx(2.0, rel=EXACT)
    assert measured(finding, "optimus: seconds per step").value.value == pytest.approx(0.6, rel=EXACT)
    assert finding.verdict is Verdict.holds


def test_vectors_beside_the_matrix_stay_within_the_bounds():
    """Some twelve vectors of features, as Optimus keeps: the slope bends to 1.96."""
    law = rows("optimus", lambda d: 1e-9 * d**2, lambda d: 8.0 * (d**2 + 12 * d))
    finding = found(table(*law, *rows("adam", lambda d: 1e-5, lambda d: 16.0 * d)))
    assert measured(finding, "optimus: bytes of state").value.value == pytest.approx(1.96, abs=0.005)
    assert finding.verdict is Verdict.holds


def test_a_step_is_compared_with_adams_at_every_dimension():
    finding = found(runs())
    for dim in DIMS:
        ratio = 1e-9 * dim**2 / (1e-5 * dim / 125)
        value = measured(finding, f"optimus: step relative to adam, dimension {dim}").value
        assert (value.value, value.low, value.high) == pytest.approx((ratio,) * 3, rel=EXACT)


def test_times_of_several_machines_are_not_compared():
    mixed = runs()
    mixed.loc[mixed.index[:3], "machine"] = "another processor, 4 cores"
    finding = found(mixed)
    assert (finding.verdict, finding.measures) == (Verdict.undecided, ())
    assert "times of 2 environments are not comparable" in finding.notes[0]


def test_trials_beside_others_are_said():
    assert found(runs().assign(jobs=2)).notes == ("times were measured with 2 trials at once; -j 1 times best.",)
    assert found(runs()).notes == ()


def test_a_seed_without_a_time_in_some_dimension_does_not_count():
    """A trial that made no step says nothing of its time."""
    holed = runs()
    first = (holed["optimizer"] == "optimus") & (holed["seed"] == 0) & holed["task"].str.contains("dim=125,")
    holed.loc[first, "step"] = 0.0
    assert found(holed).verdict is Verdict.holds
    one_seed = found(holed[(holed["seed"] < 2)])
    assert one_seed.verdict is Verdict.undecided


def test_without_records_it_is_undecided():
    finding = examine(CLAIM, Evidence(runs={}, gaps={"optimus_cost": "missing"}))
    assert (finding.verdict, finding.notes) == (Verdict.undecided, ("missing",))


def test_the_figure_has_a_line_per_optimizer_and_a_guide():
    figure = draw(CLAIM, Evidence(runs={"optimus_cost": runs()}))
    assert figure is not None
    for axes in figure.axes:
        assert {line.get_label() for line in axes.lines} == {"optimus", "adam", "slope 2"}
        by_name = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert by_name["slope 2"] == pytest.approx(by_name["optimus"], rel=1e-9)
