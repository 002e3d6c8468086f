"""A line search for the strong Wolfe conditions that still works where differences of losses are rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

N_PROBES = 25
"""Evaluations that one line search may take."""

NEAREST = 1e-3
"""How near to an end of its bracket a length may be tried, as a share of the width."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of the curve at one length t."""

    length: float  # t
    loss: float  # phi(t)
    slope: float  # phi'(t)


def search(
    probe: Callable[[float], tuple[Sample, T]],
    start: Sample,
    *,
    first: float,
    armijo: float,
    curvature: float,
    rounding: float,
) -> tuple[Sample, T] | None:
    """Find a length that brings enough of the predicted decrease and leaves little of the slope.

    A bracket [low, high] shrinks onto a minimum: at low the loss has fallen and still falls, at high it has not fallen
    or rises. Where both slopes are known and of unlike sign the next length is their secant's root, exact on a
    quadratic and blind to the rounding of losses.

    Enough is Armijo's condition. Where the losses differ by rounding only it is the approximate one of Hager and Zhang:
    the slope is at most (2 armijo - 1) times that at the start, to which Armijo's condition amounts on a quadratic.

    Args:
        probe: Evaluate the curve at a length; what it returns beside the sample is handed back.
        start: The curve at length 0, falling.
        first: Length to try first, positive.
        armijo: Share c1 of the predicted decrease that a step must bring, 0 < c1 < 1/2.
        curvature: Share c2 of the slope that may be left after it, c1 < c2 < 1.
        rounding: How far a loss may be off.

    Returns:
        The first probe that meets both conditions; else the lowest that meets the first one; None if none does.

    Source: Nocedal, Wright 2006, Numerical Optimization, 2nd ed., sec. 3.5; Hager, Zhang 2005, SIAM J. Optim. 16(1),
    sec. 4.
    """

    def falls(p: Sample) -> bool:
        if p.loss <= start.loss + armijo * p.length * start.slope:
            return True
        return abs(p.loss - start.loss) <= rounding and p.slope <= (2.0 * armijo - 1.0) * start.slope

    best: tuple[Sample, T] | None = None
    before, low, high = start, start, None
    length = first
    for n in range(N_PROBES):
        p, what = probe(length)
        fallen = falls(p)
        if fallen and abs(p.slope) <= curvature * abs(start.slope):
            return p, what
        if fallen and (best is None or p.loss < best[0].loss):
            best = p, what
        if fallen and p.slope < 0.0:
            before, low = low, p
        else:
            high = p
        length = beyond(before, low) if high is None else between(low, high, halve=n % 3 == 2)
    return best


def beyond(before: Sample, low: Sample) -> float:
    """Return a length further along a curve that still falls at low: the secant's root, at most ten times as far."""
    width = low.length - before.length
    rise = low.slope - before.slope
    ahead = -low.slope * width / rise if rise > 0.0 else math.inf
    return low.length + min(max(ahead, NEAREST * width), 9.0 * width)


def between(low: Sample, high: Sample, *, halve: bool) -> float:
    """Return a length inside the bracket.

    Args:
        low: Where the loss has fallen and still falls.
        high: Where it has not fallen, rises, or is not finite.
        halve: Whether to take the middle, lest one end never moves.
    """
    width = high.length - low.length
    rise = high.loss - low.loss - low.slope * width  # above the tangent at low
    if not math.isfinite(high.loss + high.slope):
        share = 0.1
    elif halve:
        share = 0.5
    elif high.slope > 0.0:
        share = low.slope / (low.slope - high.slope)
    else:
        share = max(-0.5 * low.slope * width / rise, 0.1) if rise > 0.0 else 0.5
    return low.length + min(max(share, NEAREST), 1.0 - NEAREST) * width
