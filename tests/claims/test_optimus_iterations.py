"""Iterations to the headline rung against baselines, on cells whose truth is known."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from rmobench.claims import Evidence, Finding, Measure, Verdict, choose_claims, draw, examine
from rmobench.claims.published.optimus_iterations import BASELINES, OURS
from rmobench.statistics.intervals import success_rate
from rmobench.types import Interval
from tests.claims.cases import AWAY, HERE, cell
from tests.statistics.records import table

(CLAIM,) = choose_claims("optimus_iterations")
EXACT = 1e-12
"""Sums of a few logarithms."""

Steps = list[float | None]  # to the headline rung by cell; None: it never gets there
SLOW: Steps = [20.0, 22.0, 24.0, 26.0, 28.0, 30.0]
FAST: Steps = [10.0] * 6


def records(steps: dict[str, Steps], function: str) -> pd.DataFrame:
    rows = [cell(name, n, function, dim=2 + i) for name, each in steps.items() for i, n in enumerate(each)]
    return table(*rows)


def evidence(ours: Steps, *, away: dict[str, Steps] | None = None, **baselines: Steps) -> Evidence:
    """Put the baselines' cells into the suites that have them; those that are not given are slow."""
    steps = {OURS: ours, **dict.fromkeys(BASELINES, SLOW), **baselines}
    runs = {}
    for name, function, told in (("functions", HERE, steps), ("heldout", AWAY, away or steps)):
        whole = records(told, function)
        tuned = whole["optimizer"].str.contains("tuned")
        runs |= {f"optimus_{name}": whole[~tuned], f"optimus_{name}_tuned": whole[tuned]}
    return Evidence(runs=runs, trained_on=(HERE,))


def measured(finding: Finding, name: str) -> Measure:
    (found,) = (m for m in finding.measures if m.name == name)
    return found


def exactly(x: float) -> Interval:
    return Interval(value=x, low=x, high=x)


def test_it_holds_where_every_baseline_is_slower():
    finding = examine(CLAIM, evidence(FAST))
    assert finding.verdict is Verdict.holds
    assert {m.name.rpartition(" ")[2] for m in finding.deciding} == {"adam_tuned", "bfgs", "adafactor_mlp"}
    assert len(finding.deciding) == 6
    assert finding.n_records == 2 * 6 * (1 + len(BASELINES))


@pytest.mark.parametrize("baseline", BASELINES)
def test_one_faster_baseline_of_those_that_were_claimed_is_enough_to_fail(baseline):
    verdict = examine(CLAIM, evidence(FAST, **{baseline: [5.0] * 6})).verdict
    informs = baseline in ("adam_tuned_once", "lbfgs")
    assert verdict is (Verdict.holds if informs else Verdict.does_not_hold)


@pytest.mark.parametrize(
    "bfgs",
    [
        pytest.param([5.0, 5.0, 5.0, 20.0, 20.0, 20.0], id="even"),
        pytest.param(FAST, id="ties are half a win"),
        pytest.param([20.0, 20.0, 20.0, 20.0, None, None], id="four cells that both solve say nothing of the ratio"),
    ],
)
def test_it_is_undecided_where_the_cells_do_not_tell(bfgs):
    assert examine(CLAIM, evidence(FAST, bfgs=bfgs)).verdict is Verdict.undecided


def test_shares_ratios_and_rates_by_hand():
    """Of the five cells that either solves two are won and one is a tie; the three ratios are 1/2, 4 and 1."""
    ours: Steps = [10.0, 20.0, 10.0, 10.0, None, None]
    finding = examine(CLAIM, evidence(ours, bfgs=[20.0, 5.0, 10.0, None, 30.0, None]))
    won = measured(finding, "all functions: cells won against bfgs")
    ratio = measured(finding, "all functions: iterations relative to bfgs")
    assert won.value.value == pytest.approx(2.5 / 5, rel=EXACT)
    assert won.unit == "share, 5 cells that either solves"
    assert (won.value.low, won.value.high) == (0.1, 0.9)  # of resamples of 1 0 1/2 1 0: 10,000 draws are enough for it
    assert ratio.value.value == pytest.approx(2 ** (1 / 3), rel=EXACT)
    assert ratio.unit == "ratio, 3 cells that both solve"
    assert (ratio.value.low, ratio.value.high) == (0.0, math.inf)
    for name in (OURS, "bfgs"):
        assert measured(finding, f"all functions: success of {name}").value.value == pytest.approx(4 / 6, rel=EXACT)


def test_a_miss_pays_the_whole_budget():
    """Two seeds: 10 steps and a miss of 100 calls make an expected 110 steps."""
    found = evidence([10.0] * 6, bfgs=[11.0] * 6)
    missed = records({OURS: [None] * 6}, HERE).assign(seed=1)
    missed["id"] = [f"missed {i}" for i in range(6)]
    runs = pd.concat([found.runs["optimus_functions"], missed], ignore_index=True)
    finding = examine(CLAIM, Evidence(runs={**found.runs, "optimus_functions": runs}, trained_on=(HERE,)))
    name = "all functions: iterations relative to bfgs"
    assert measured(finding, name).value.value == pytest.approx(10.0, rel=EXACT)
    assert measured(finding, f"all functions: success of {OURS}").value == exactly(0.5)


def test_oracle_calls_are_counted_apart():
    """BFGS asks three times as often per step as the others."""
    found = evidence(FAST, bfgs=[20.0] * 6)
    runs = found.runs["optimus_functions"].copy()
    asks = runs["optimizer"] == "bfgs"
    runs.loc[asks, "hit_n_grad"] = runs.loc[asks, "hit_n_grad"].map(lambda calls: [3 * c for c in calls])
    finding = examine(CLAIM, Evidence(runs={**found.runs, "optimus_functions": runs}, trained_on=(HERE,)))
    assert measured(finding, "all functions: iterations relative to bfgs").value.value == pytest.approx(
        1 / 2, rel=EXACT
    )
    assert measured(finding, "all functions: oracle calls relative to bfgs").value.value == pytest.approx(
        1 / 6, rel=EXACT
    )


def test_functions_that_were_not_trained_on_are_groups_of_their_own():
    """It wins where it was trained and loses elsewhere; elsewhere does not decide."""
    elsewhere = {OURS: SLOW, **dict.fromkeys(BASELINES, FAST)}
    finding = examine(CLAIM, evidence(FAST, away=elsewhere))
    assert finding.verdict is Verdict.holds
    assert measured(finding, "functions trained on: cells won against bfgs").value == success_rate(6, 6)
    assert measured(finding, "new instances of functions held out: cells won against bfgs").value == success_rate(0, 6)
    groups = {m.name.partition(":")[0] for m in finding.measures}
    assert groups == {"all functions", "functions trained on", "new instances of functions held out"}


def test_two_labels_of_one_trial_are_two_baselines_and_one_record():
    """adam_tuned and adam_tuned_once are the same trials here."""
    found = evidence(FAST)
    tuned = found.runs["optimus_functions_tuned"].copy()
    by_task = tuned[tuned["optimizer"] == "adam_tuned"].set_index("task")["id"]
    tuned["id"] = tuned["task"].map(by_task)
    finding = examine(CLAIM, Evidence(runs={**found.runs, "optimus_functions_tuned": tuned}, trained_on=(HERE,)))
    assert finding.verdict is Verdict.holds
    assert finding.n_records == 2 * 6 * (1 + len(BASELINES)) - 6
    for name in ("adam_tuned", "adam_tuned_once"):
        assert measured(finding, f"all functions: cells won against {name}").value == success_rate(6, 6)


@pytest.mark.parametrize("missing", CLAIM.suites)
def test_without_all_records_it_is_undecided_and_says_how_to_get_them(missing):
    found = evidence(FAST)
    gap = f"`rmobench run {missing} --export results/reference` makes them."
    some = Evidence(runs={k: v for k, v in found.runs.items() if k != missing}, gaps={missing: gap})
    assert examine(CLAIM, some) == Finding(notes=(gap,))


def test_the_figure_marks_what_only_one_of_the_two_solves():
    one_only: Steps = [20.0, None, None, None, None, None]
    figure = draw(CLAIM, evidence(FAST, bfgs=one_only, lbfgs=[None] * 6, adam_tuned=SLOW))
    assert figure is not None
    marks = {}
    for line in figure.axes[0].lines:
        x, y = line.get_data()
        if len(x) == 1:
            marks[BASELINES[round((x[0] + 0.3) / 0.15)]] = (line.get_marker(), line.get_markerfacecolor(), y[0])
    assert marks["bfgs"][:2] == ("o", "none")
    assert marks["bfgs"][2] == pytest.approx(2.0, rel=EXACT)
    assert marks["lbfgs"][0] == "^"
    assert marks["adam_tuned"][1] != "none"
    assert marks["adam_tuned"][2] == pytest.approx(math.prod(s / 10 for s in SLOW) ** (1 / 6), rel=EXACT)
