"""Numbers as people read them: three significant digits, and units that fit the size."""

from __future__ import annotations

import math

from rmobench.types import Interval

UNKNOWN = "–"
SECONDS = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"))
BYTES = ((1.0, "B"), (2.0**10, "KiB"), (2.0**20, "MiB"), (2.0**30, "GiB"), (2.0**40, "TiB"))
THOUSANDS = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))


def number(x: float) -> str:
    """Write three significant digits: 0.123, 12.3, 123, 12.3k; unknown and infinite as signs."""
    return _scaled(x, THOUSANDS, "")


def seconds(x: float) -> str:
    """Write a duration with its unit, from microseconds to hours."""
    return _scaled(x, SECONDS, " ")


def size(x: float) -> str:
    """Write a number of bytes with its binary unit."""
    return _scaled(x, BYTES, " ")


def cost(x: float, axis: str) -> str:
    """Write a cost: a duration on the axis time_s, a count on the others."""
    return seconds(x) if axis == "time_s" else number(x)


def percent(x: float) -> str:
    """Write a rate in [0, 1] as a whole percentage that is 0 or 100 only if the rate is 0 or 1."""
    whole = round(100.0 * x)
    return f"{whole if x in (0.0, 1.0) else min(max(whole, 1), 99)} %"


def rate(interval: Interval) -> str:
    """Write a rate in [0, 1] with its interval, in per cent."""
    return f"{percent(interval.value)} [{round(100.0 * interval.low)}, {round(100.0 * interval.high)}]"


def score(interval: Interval) -> str:
    """Write a score in [0, 1] with its interval, two decimals."""
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def cost_interval(interval: Interval, axis: str) -> str:
    """Write a cost with its interval; the sign alone where not even a lower end is known."""
    if math.isinf(interval.low):
        return "∞"
    return f"{cost(interval.value, axis)} [{cost(interval.low, axis)}, {cost(interval.high, axis)}]"


def p_value(p: float | None) -> str:
    """Write a p-value, no smaller than 0.001."""
    if p is None:
        return UNKNOWN
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _digits(x: float) -> str:
    """Write |x| < 1000 with three significant digits, without an exponent where that is short."""
    if x != 0.0 and abs(x) < 1e-3:
        return f"{x:.2e}".replace("e-0", "e-")
    text = f"{x:.3g}"
    return text if "e" not in text else f"{x:.0f}"


def _scaled(x: float, units: tuple[tuple[float, str], ...], gap: str) -> str:
    """Divide by the largest unit that leaves at least 1 after rounding."""
    if math.isnan(x):
        return UNKNOWN
    if math.isinf(x):
        return "∞"
    rounded = float(f"{x:.3g}")
    fitting = [(scale, unit) for scale, unit in units if abs(rounded) >= scale]
    scale, unit = fitting[-1] if fitting else units[0] if gap else (1.0, "")
    if rounded == 0.0:
        scale, unit = 1.0, dict(units).get(1.0, "")
    return f"{_digits(x / scale)}{gap}{unit}".rstrip()
