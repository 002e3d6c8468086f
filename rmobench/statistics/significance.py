"""Is the difference to the baseline more than luck?

Trials of the same task and seed start at the same point and see the same data, so optimizers are compared within such
pairs, by the logarithm of their costs, a miss at twice its charge. Pairs without a difference stay in the ranking
(Pratt); p-values of one board are corrected together (Holm).

Source: Wilcoxon 1945, Biometrics Bulletin 1(6); Pratt 1959, JASA 54(287); Holm 1979, Scand. J. Statist. 6(2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rmobench.statistics.hits import censored_log

Array = NDArray[np.float64]

EQUAL = 1e-9
"""Differences of logarithms below this are rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """An optimizer against the baseline over the (task, seed) pairs that both attempted."""

    wins: int
    losses: int
    ties: int
    p_value: float | None  # two-sided; None: no pair in common


def versus(chosen: pd.DataFrame, baseline: str) -> Mapping[str, Versus]:
    """Compare every optimizer with the baseline; p-values are Holm-corrected.

    Args:
        chosen: One row per trial of one precision, as `hits.at_rung` gives them. Several trials of one optimizer, task
            and seed are one pair, with their mean logarithm.
        baseline: Label of an optimizer that is in it.

    Returns:
        By optimizer, without the baseline.
    """
    keys = ["task", "seed", "optimizer"]
    logs = chosen[keys].assign(log=censored_log(chosen)).groupby(keys, observed=True)["log"].mean().unstack()
    found = {str(name): _versus((logs[name] - logs[baseline]).dropna().to_numpy()) for name in logs if name != baseline}
    tested = [name for name, result in found.items() if result.p_value is not None]
    corrected = holm(np.array([found[name].p_value for name in tested], dtype=float))
    return found | {name: replace(found[name], p_value=float(p)) for name, p in zip(tested, corrected, strict=True)}


def _versus(difference: Array) -> Versus:
    difference = np.where(np.abs(difference) < EQUAL, 0.0, difference)
    return Versus(
        wins=int((difference < 0).sum()),
        losses=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        p_value=signed_rank(difference) if len(difference) else None,
    )


def signed_rank(difference: Array) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test of paired differences [n]; 1 if all are zero."""
    if not difference.any():
        return 1.0
    exact = len(difference) <= 50 and len(np.unique(np.abs(difference))) == len(difference) and difference.all()
    method = "exact" if exact else "asymptotic"
    return float(stats.wilcoxon(difference, zero_method="pratt", method=method).pvalue)


def holm(p: Array) -> Array:
    """Correct p-values [n] for testing n hypotheses: the k-th smallest times n - k + 1, made monotone, at most 1."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
