"""Verdicts follow from intervals alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from rmobench.claims import Finding, Measure, Verdict
from rmobench.types import Interval

HOLDS, FAILS, OPEN = Verdict.holds, Verdict.does_not_hold, Verdict.undecided


def measure(low: float, high: float, threshold: float | None = 1.0, wants: str | None = "below") -> Measure:
    value = Interval(value=(low + high) / 2, low=low, high=high)
    return Measure(name="a ratio", value=value, unit="ratio", threshold=threshold, wants=wants)


@pytest.mark.parametrize(
    ("low", "high", "wants", "verdict"),
    [
        (0.5, 0.9, "below", HOLDS),
        (0.5, 0.9, "above", FAILS),
        (1.1, 1.9, "below", FAILS),
        (1.1, 1.9, "above", HOLDS),
        (0.9, 1.1, "below", OPEN),
        (0.9, 1.1, "above", OPEN),
        (0.5, 1.0, "below", OPEN),  # an interval that ends on the threshold does not lie on either side
        (1.0, 1.5, "above", OPEN),
        (1.0, 1.0, "above", OPEN),
        (-math.inf, math.inf, "below", OPEN),
        (math.nan, math.nan, "below", OPEN),
        (math.nan, math.nan, "above", OPEN),
        (2.0, math.inf, "above", HOLDS),
    ],
)
def test_a_measure_holds_if_its_whole_interval_lies_on_the_wanted_side(low, high, wants, verdict):
    assert measure(low, high, wants=wants).verdict is verdict


def test_a_measure_without_threshold_informs():
    assert measure(0.5, 0.9, None, None).verdict is None


@pytest.mark.parametrize(("threshold", "wants"), [(1.0, None), (None, "below")])
def test_threshold_and_wants_come_together(threshold, wants):
    with pytest.raises(ValueError, match="come together"):
        measure(0.0, 1.0, threshold, wants)


YES, NO, MAYBE, INFORMS = measure(0.1, 0.2), measure(2.0, 3.0), measure(0.5, 2.0), measure(2.0, 3.0, None, None)


@pytest.mark.parametrize(
    ("measures", "verdict"),
    [
        ((YES, YES), HOLDS),
        ((YES, INFORMS), HOLDS),
        ((YES, NO), FAILS),
        ((MAYBE, NO), FAILS),
        ((YES, MAYBE), OPEN),
        ((INFORMS,), OPEN),
        ((), OPEN),
    ],
)
def test_a_claim_holds_if_all_deciding_measures_do_and_fails_if_any_does(measures, verdict):
    assert Finding(measures=measures).verdict is verdict


def test_a_condition_that_is_not_met_leaves_a_claim_open():
    """It was not put to the test; another measure can still refute it."""
    unmet = replace(NO, condition=True)
    assert unmet.verdict is OPEN
    assert Finding(measures=(YES, unmet)).verdict is OPEN
    assert Finding(measures=(NO, unmet)).verdict is FAILS
    assert Finding(measures=(YES, replace(YES, condition=True))).verdict is HOLDS
