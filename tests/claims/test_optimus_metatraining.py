"""Outer steps to the baseline's best validation loss, on curves whose truth is known."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from rmobench.claims import Evidence, Verdict, choose_claims, draw, examine
from rmobench.claims.metatraining import Curve
from tests.claims.cases import curve

(CLAIM,) = choose_claims("optimus_metatraining")
THEIRS = (-1.0, -2.0, -3.0, -4.0, -3.5)  # the best is at outer step 400
EXACT = 1e-12
"""Sums of a few logarithms."""


def evidence(*ours: tuple[float, ...], step_s: float = 1.0) -> Evidence:
    curves: list[Curve] = []
    for seed, losses in enumerate(ours):
        curves += [curve("optimus", seed, *losses, step_s=step_s), curve("adafactor_mlp", seed, *THEIRS)]
    return Evidence(runs={}, curves=tuple(curves))


@pytest.mark.parametrize(
    ("ours", "verdict", "ratio"),
    [
        ([(-4.0, -5.0)] * 3, Verdict.holds, 1 / 4),
        ([(-1.0, -4.0)] * 3, Verdict.holds, 1 / 2),
        ([(-1.0, -1.0, -1.0, -1.0, -4.5)] * 3, Verdict.does_not_hold, 5 / 4),
        ([(-3.9, -3.9)] * 3, Verdict.undecided, 1.0),  # never: twice its length, which happens to be theirs
        ([(-3.9, -3.9, -3.9)] * 3, Verdict.does_not_hold, 6 / 4),
        ([(-4.0,), (-1.0, -1.0, -1.0, -1.0, -4.0)], Verdict.undecided, (1 / 4 * 5 / 4) ** 0.5),
        ([(-4.0,)], Verdict.undecided, 1 / 4),  # one seed says nothing
    ],
)
def test_outer_steps_to_their_best_decide(ours, verdict, ratio):
    finding = examine(CLAIM, evidence(*ours))
    assert finding.verdict is verdict
    assert finding.deciding[0].value.value == pytest.approx(ratio, rel=EXACT)
    assert len(finding.deciding) == 1
    assert finding.n_records == 2 * len(ours)


def test_the_interval_is_students_of_the_logarithms():
    finding = examine(CLAIM, evidence((-4.0,), (-1.0, -4.0), (-1.0, -1.0, -4.0)))
    logs = [math.log(n / 4) for n in (1, 2, 3)]
    low, high = stats.ttest_1samp(logs, 0.0).confidence_interval(0.95)
    found = finding.deciding[0].value
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-9)


def test_seconds_and_losses_inform():
    finding = examine(CLAIM, evidence(*[(-1.0, -4.0)] * 3, step_s=6.0))
    _, seconds, loss = finding.measures
    assert seconds.value.value == pytest.approx(6 / 2, rel=EXACT)
    assert loss.value.value == pytest.approx(0.0, abs=EXACT)


def test_runs_that_never_get_there_are_said():
    finding = examine(CLAIM, evidence((-3.9,), (-4.0,), (-5.0,)))
    assert finding.notes == ("optimus never gets there with 1 of 3 seeds; each counts twice its length.",)


def test_only_seeds_of_both_count():
    found = evidence((-4.0,), (-4.0,))
    lonely = (curve("optimus", 7, -9.0), curve("adafactor_mlp", 8, -9.0), curve("mlp_lopt", 0, -9.0))
    finding = examine(CLAIM, Evidence(runs={}, curves=(*found.curves, *lonely)))
    assert finding == examine(CLAIM, found)
    alone = examine(CLAIM, Evidence(runs={}, curves=lonely))
    assert (alone.verdict, alone.notes) == (
        Verdict.undecided,
        ("no seed has a curve of both optimus and adafactor_mlp.",),
    )


def test_a_rule_that_is_good_before_the_first_outer_step_is_not_free():
    def at_once(architecture: str) -> Curve:
        return Curve(architecture=architecture, recipe="", recipe_sha256="", seed=0, curve=((0, 0.0, -1.0),))

    finding = examine(CLAIM, Evidence(runs={}, curves=(at_once("optimus"), at_once("adafactor_mlp"))))
    assert [m.value.value for m in finding.measures] == [1.0, 1.0, 0.0]


def test_without_curves_it_is_undecided():
    found = examine(CLAIM, Evidence(runs={}, gaps={"metatraining": "missing"}))
    assert (found.verdict, found.notes) == (Verdict.undecided, ("missing",))


def test_the_figure_has_a_line_per_run():
    figure = draw(CLAIM, evidence((-4.0, -5.0), (-1.0, -4.0)))
    assert figure is not None
    assert [len(axes.lines) for axes in figure.axes] == [4, 4]
