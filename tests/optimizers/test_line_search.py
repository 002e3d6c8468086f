"""The line search: the strong Wolfe conditions, and where losses are nothing but rounding."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rmobench.optimizers.riemannian.line_search import N_PROBES, Sample, search

ARMIJO, CURVATURE = 1e-4, 0.4

Curve = Callable[[float], tuple[float, float]]
"""From t to the value and the slope there."""


def quadratic(t: float) -> tuple[float, float]:
    return 0.5 * (t - 3.0) ** 2, t - 3.0


def quartic(t: float) -> tuple[float, float]:
    return (t - 2.0) ** 4, 4.0 * (t - 2.0) ** 3


def flat_valley(t: float) -> tuple[float, float]:
    """More and Thuente 1994, ACM Trans. Math. Softw. 20(3), eq. 5.1."""
    return -t / (t * t + 2.0), (t * t - 2.0) / (t * t + 2.0) ** 2


def wiggling(t: float) -> tuple[float, float]:
    return math.cos(5.0 * t) / 5.0 + 0.1 * (t - 6.0) ** 2, -math.sin(5.0 * t) + 0.2 * (t - 6.0)


def barrier(t: float) -> tuple[float, float]:
    """A function that is not defined from 2 on."""
    return (-t - math.log(2.0 - t), -1.0 + 1.0 / (2.0 - t)) if t < 2.0 else (math.nan, math.nan)


def kink(t: float) -> tuple[float, float]:
    """A slope that jumps at 1 from -1 to 1/4."""
    return (1.0 - t, -1.0) if t < 1.0 else (0.25 * (t - 1.0), 0.25)


CURVES = [quadratic, quartic, flat_valley, wiggling, barrier, kink]


class Recorder:
    """Probes a curve and remembers where."""

    def __init__(self, curve: Curve) -> None:
        self.curve, self.lengths = curve, []
        self.start = Sample(0.0, *curve(0.0))

    def __call__(self, t: float) -> tuple[Sample, str]:
        self.lengths.append(t)
        return Sample(t, *self.curve(t)), f"at {t!r}"

    def search(self, *, first: float, curvature: float = CURVATURE, rounding: float = 0.0):
        return search(self, self.start, first=first, armijo=ARMIJO, curvature=curvature, rounding=rounding)


@pytest.mark.parametrize("first", [1e-4, 0.1, 1.0, 2.5, 100.0])
@pytest.mark.parametrize("curve", CURVES)
def test_the_strong_wolfe_conditions_hold_at_the_end(curve: Curve, first: float) -> None:
    probe = Recorder(curve)
    end, what = probe.search(first=first)
    start = probe.start
    assert end.loss <= start.loss + ARMIJO * end.length * start.slope
    assert abs(end.slope) <= CURVATURE * abs(start.slope)
    assert what == f"at {end.length!r}"
    assert len(probe.lengths) <= 16


@pytest.mark.parametrize("first", [0.5, 2.9, 3.1, 50.0])
def test_on_a_quadratic_the_second_probe_is_the_minimum(first: float) -> None:
    probe = Recorder(quadratic)
    end, _ = probe.search(first=first, curvature=1e-12)
    assert len(probe.lengths) <= 2
    assert end.length == pytest.approx(3.0, rel=1e-14)


def test_a_first_probe_that_meets_both_conditions_is_the_last() -> None:
    probe = Recorder(quadratic)
    assert probe.search(first=2.5)[0].length == 2.5
    assert probe.lengths == [2.5]


@pytest.mark.parametrize("noise", [0.0, 3e-16, -3e-16])
def test_slopes_decide_where_losses_are_rounding(noise: float) -> None:
    """The curve falls by 5e-19 in all, the loss is 1 give or take its rounding: Armijo's condition alone fails."""

    def tiny(t: float) -> tuple[float, float]:
        return 1.0 + (noise if t > 0.0 else 0.0), 1e-18 * (t - 1.0)

    end, _ = Recorder(tiny).search(first=10.0, rounding=1e-14)
    assert end.length == pytest.approx(1.0, rel=CURVATURE)
    blind = Recorder(tiny).search(first=10.0, rounding=0.0)
    assert (blind is None) == (noise > 0.0)


def test_nothing_is_found_where_nothing_falls() -> None:
    """A slope that promises a decrease which never comes."""
    probe = Recorder(lambda t: (t, -1.0))
    assert probe.search(first=1.0) is None
    assert len(probe.lengths) == N_PROBES
    assert min(probe.lengths) > 0.0


def test_the_lowest_probe_is_taken_where_the_curve_never_ends() -> None:
    probe = Recorder(lambda t: (-t, -1.0))
    end, _ = probe.search(first=1.0)
    assert end.length == max(probe.lengths) > 1e20


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_first_probe_that_is_not_finite_is_shortened(value: float) -> None:
    """Minus infinity is a decrease, though not one to go by: it is met by no slope."""
    end, _ = Recorder(lambda t: quadratic(t) if t < 4.0 else (value, math.nan)).search(first=1e3)
    assert end.length < 4.0
    assert math.isfinite(end.loss)
