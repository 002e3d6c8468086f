"""Expected running time and median of groups of equally many trials, with bootstrap intervals.

Costs are those of the whole-budget rule (`hits`), [G, n] for G groups of n trials. One trial says nothing about others:
where it hits, its interval is [0, inf]. With few trials the percentile bootstrap is too narrow rather than too wide.

Source: Auger, Hansen 2005, IEEE CEC, "Performance evaluation of an advanced local search evolutionary algorithm";
Hansen, Auger, Ros, Mersmann, Tusar, Brockhoff 2021, Optim. Methods Softw. 36(1), sec. 4 (COCO).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmobench.statistics.intervals import percentiles, weights

Array = NDArray[np.float64]


def ert(cost: Array, hit: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Return total cost of all trials / number of hits, and its interval: value, low, high, each [G].

    Infinite where nothing was hit; a resample without a hit is infinite, too.

    Args:
        cost: What each trial paid [G, n].
        hit: Whether it reached the rung [G, n].
    """
    resample, hits = weights(cost.shape[1]), hit.astype(np.float64)
    value = _ratio(cost.sum(1), hits.sum(1))
    low, high = percentiles(value, lambda part: _ratio(cost[part] @ resample, hits[part] @ resample))
    return _humble(value, low, high, n=cost.shape[1])


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
