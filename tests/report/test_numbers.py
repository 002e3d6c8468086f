"""How figures are written."""

from __future__ import annotations

import math

import pytest

from rmobench.report.numbers import cost_interval, number, p_value, percent, rate, score, seconds, size
from rmobench.types import Interval


@pytest.mark.parametrize(
    ("write", "x", "text"),
    [
        (number, 0.0, "0"),
        (number, 0.12345, "0.123"),
        (number, 12.345, "12.3"),
        (number, 123.45, "123"),
        (number, 999.6, "1k"),
        (number, 12345, "12.3k"),
        (number, 1.5e6, "1.5M"),
        (number, 1.234e-5, "1.23e-5"),
        (number, 2.5e13, "25000G"),
        (number, math.inf, "∞"),
        (number, math.nan, "–"),
        (seconds, 0.0, "0 s"),
        (seconds, 1.234e-5, "12.3 µs"),
        (seconds, 5e-8, "0.05 µs"),
        (seconds, 0.9999, "1 s"),
        (seconds, 59.0, "59 s"),
        (seconds, 90.0, "1.5 min"),
        (seconds, 7200.0, "2 h"),
        (seconds, math.nan, "–"),
        (size, 0, "0 B"),
        (size, 1000, "1000 B"),
        (size, 1536, "1.5 KiB"),
        (size, 3 * 2**30, "3 GiB"),
        (percent, 0.0, "0 %"),
        (percent, 0.001, "1 %"),
        (percent, 0.999, "99 %"),
        (percent, 1.0, "100 %"),
        (p_value, None, "–"),
        (p_value, 1e-9, "<0.001"),
        (p_value, 0.0123, "0.012"),
        (p_value, 0.5, "0.50"),
    ],
)
def test_figures(write, x, text):
    assert write(x) == text


def test_intervals():
    assert rate(Interval(value=0.9, low=0.596, high=0.982)) == "90 % [60, 98]"
    assert score(Interval(value=0.5, low=0.25, high=1.0)) == "0.50 [0.25, 1.00]"
    assert cost_interval(Interval(value=1234.0, low=999.0, high=math.inf), "n_grad") == "1.23k [999, ∞]"
    assert cost_interval(Interval(value=0.5, low=0.4, high=0.6), "time_s") == "500 ms [400 ms, 600 ms]"
    assert cost_interval(Interval(value=math.inf, low=math.inf, high=math.inf), "step") == "∞"
