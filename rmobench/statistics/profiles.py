"""Performance profiles: how often is an optimizer within a factor tau of the best one?

A task that an optimizer attempted and did not solve counts as never within any factor. A profile is taken over the
tasks attempted (`standings` counts the others as unsolved in the score). A task that nobody solved counts as unsolved
for everybody who tried.

Source: Dolan, More 2002, Mathematical Programming 91(2). The area up to tau = 4 on a log2 axis: Dahl et al. 2023,
arXiv 2306.07179, sec. 4.3 (AlgoPerf), who integrate the same curve.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TAU = 4.0
"""Where the score's axis ends."""
TAU_FAR = 2.0**20
"""Where the axis ends that orders optimizers of equal score."""


def ratios(ert: Array) -> Array:
    """Divide by the best of each task.

    Args:
        ert: Expected running times [tasks, optimizers], positive; inf: not solved, NaN: not attempted.

    Returns:
        Ratios [tasks, optimizers], at least 1; inf: not solved, NaN: not attempted.
    """
    best = np.fmin.reduce(ert, axis=1, keepdims=True)  # NaN only where nobody tried
    return np.divide(ert, best, out=ert.copy(), where=np.isfinite(best))


def profile(ratio: Array, tau: Array) -> Array:
    """Return the share of attempted tasks within each factor, [len(tau), optimizers].

    Args:
        ratio: Ratios to the best [tasks, optimizers], NaN where not attempted.
        tau: Factors, at least 1.
    """
    attempted = (~np.isnan(ratio)).sum(0)
    within: Array = (ratio[None] <= tau[:, None, None]).sum(1) / attempted
    return within


def areas(ratio: Array, *, tau: float = TAU) -> Array:
    """Return each task's share in the area under the profile from 1 to tau on a log2 axis, [tasks, optimizers].

    The profile is a mean of steps at log2(ratio); the step of a task has the area 1 - log2(ratio) / log2(tau), cut to
    [0, 1]. The area under an optimizer's profile is the mean of its column.

    Args:
        ratio: Ratios to the best [tasks, optimizers], NaN where not attempted.
        tau: Where the axis ends.
    """
    steps: Array = 1.0 - np.log2(ratio) / np.log2(tau)
    return np.clip(steps, 0.0, 1.0)
