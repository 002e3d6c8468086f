"""Rungs reached in the small and the large dimension, on records whose truth is known."""

from __future__ import annotations

import pytest

from rmobench.claims import Evidence, Verdict, choose_claims, draw, examine
from rmobench.claims.published.optimus_dimension import SHOWN
from tests.claims.cases import task
from tests.statistics.records import table, trial

(CLAIM,) = choose_claims("optimus_dimension")
FUNCTIONS = (*SHOWN, "sphere", "trid")
RUNGS = (1e-1, 1e-2)


def rows(optimizer: str, dim: int, n_rungs: list[int]) -> list[dict]:
    """Make a trial per function that reaches the first so many rungs of two; its gap at the end is 1/dim."""
    return [
        trial(dict.fromkeys(RUNGS[:n], 10.0), optimizer=optimizer, task=task(function, dim), seed=0, final=1.0 / dim)
        for function, n in zip(FUNCTIONS, n_rungs, strict=True)
    ]


def evidence(small: list[int], large: list[int]) -> Evidence:
    ours = rows("optimus", 25, small) + rows("optimus", 250, large)
    theirs = rows("adafactor_mlp", 25, [1] * 6) + rows("adafactor_mlp", 250, [0] * 6)
    return Evidence(runs={"optimus_dimension": table(*ours, *theirs)})


@pytest.mark.parametrize(
    ("small", "large", "verdict", "difference"),
    [
        ([2] * 6, [2] * 6, Verdict.holds, 0.0),
        ([1] * 6, [2] * 6, Verdict.holds, 0.5),
        ([2] * 6, [1] * 6, Verdict.does_not_hold, -0.5),
        ([2] * 6, [2, 2, 2, 2, 2, 1], Verdict.undecided, -1 / 12),
        ([2] * 6, [2, 2, 2, 2, 0, 0], Verdict.undecided, -1 / 3),
        ([0] * 6, [0] * 6, Verdict.undecided, 0.0),  # nothing is lost where nothing is reached
        ([2] * 6, [0] * 6, Verdict.does_not_hold, -1.0),
    ],
)
def test_what_is_lost_on_the_way_up_decides(small, large, verdict, difference):
    finding = examine(CLAIM, evidence(small, large))
    assert finding.verdict is verdict
    assert finding.deciding[0].name == "optimus: dimension 250 minus 25"
    assert finding.deciding[0].value.value == pytest.approx(difference, abs=1e-12)  # a mean of six numbers
    assert all(m.name.startswith("optimus") for m in finding.deciding)
    assert finding.n_records == 24


def test_the_others_inform():
    finding = examine(CLAIM, evidence([2] * 6, [2] * 6))
    told = {m.name: m.value.value for m in finding.measures}
    assert told["adafactor_mlp: dimension 250 minus 25"] == pytest.approx(-0.5, abs=1e-12)
    assert (told["adafactor_mlp: dimension 25"], told["adafactor_mlp: dimension 250"]) == (0.5, 0.0)


def test_without_records_it_is_undecided():
    found = examine(CLAIM, Evidence(runs={}, gaps={"optimus_dimension": "missing"}))
    assert (found.verdict, found.notes) == (Verdict.undecided, ("missing",))


def test_the_figure_shows_the_median_gap_and_takes_what_other_suites_add():
    found = evidence([2] * 6, [2] * 6)
    odd = [row | {"final": gap} for row, gap in zip(rows("bfgs", 2, [0] * 6), [float("nan")] + 5 * [0.0], strict=True)]
    figure = draw(CLAIM, Evidence(runs={**found.runs, "optimus_functions": table(*odd)}))
    assert figure is not None
    lines = [{line.get_label(): line.get_data() for line in axes.lines} for axes in figure.axes]
    assert [axes.get_title() for axes in figure.axes] == list(SHOWN)
    for panel in lines:
        x, y = panel["optimus"]
        assert (list(x), list(y)) == ([25, 250], [1 / 25, RUNGS[-1]])  # 1/250 lies below the hardest rung
    assert [panel["bfgs"][1][0] for panel in lines] == [1.0, RUNGS[-1], RUNGS[-1], RUNGS[-1]]
