"""Expected running time and median of groups of equally many trials, with bootstrap intervals.

Costs are those of the whole-budget rule (`hits`), [G, n] for G groups of n trials. One trial says nothing about others:
where it hits, its interval is [0, inf]. With few trials the percentile bootstrap is too narrow rather than too wide.

Source: Auger, Hansen 2005, IEEE CEC, "Performance evaluation of an advanced local search evolutionary algorithm";
Hansen, Auger, Ros, Mersmann, Tusar, Brockhoff 2021, Optim. Methods Softw. 36(1), sec. 4 (COCO).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmobench.statistics.intervals import percentiles, weights, wilson

Array = NDArray[np.float64]


def ert(cost: Array, hit: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return total cost of all trials / number of hits, and its interval: value, low, high, each [G].

    A resample without a hit is infinite. Where nothing was hit the value is infinite and no resample says how low the
    truth may lie: the success rate is at most p, the upper end of Wilson's interval, and so the expected cost of the
    misses before a hit at least mean cost (1 - p) / p.

    Args:
        cost: What each trial paid [G, n].
        hit: Whether it reached the rung [G, n].
    """
    resample, hits = weights(cost.shape[1]), hit.astype(np.float64)
    value = _ratio(cost.sum(1), hits.sum(1))
    low, high = percentiles(value, lambda part: _ratio(cost[part] @ resample, hits[part] @ resample))
    value, low, high = _humble(value, low, high, n=cost.shape[1])
    return value, np.where(hits.any(1), low, _least(cost)), high


def _least(cost: Array) -> Array:
    """Return the lower end of the ERT [G] of groups [G, n] without a hit."""
    _, p = wilson(np.zeros(1), np.array([float(cost.shape[1])]))
    bound: Array = cost.mean(1) * (1.0 - p) / p
    return bound


def median(cost: Array, hit: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return the median cost, a miss being infinite, and its interval: value, low, high, each [G].

    The members of a group are sorted once; the middle of a resample is where its cumulated weights pass n / 2, which is
    the same place in every group.

    Args:
        cost: What each trial paid [G, n].
        hit: Whether it reached the rung [G, n].
    """
    n = cost.shape[1]
    ordered = np.sort(np.where(hit, cost, np.inf), axis=1)
    passed = weights(n).cumsum(0)
    left, right = (passed >= (n + 1) // 2).argmax(0), (passed >= n // 2 + 1).argmax(0)
    value = (ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2.0
    low, high = percentiles(value, lambda part: (ordered[part][:, left] + ordered[part][:, right]) / 2.0)
    return _humble(value, low, high, n=n)


def _humble(value: Array, low: Array, high: Array, *, n: int) -> tuple[Array, Array, Array]:
    """Open the intervals of single trials."""
    if n > 1:
        return value, low, high
    return value, np.where(np.isinf(value), value, 0.0), np.full_like(value, np.inf)


def _ratio(total: Array, n_hits: Array) -> Array:
    return np.divide(total, n_hits, out=np.full_like(total, np.inf), where=n_hits > 0)
