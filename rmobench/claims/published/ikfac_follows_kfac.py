"""The factors of IKFAC follow the inverse of KFAC's moving average to first order."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.resampling import student_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

NOTED = {0.1: 1.2e-2, 0.05: 5.9e-3, 0.025: 2.9e-3, 0.0125: 1.45e-3}
"""Step length of the factors -> the error that was noted for it."""

N_SEEDS = 10
BAND = (0.9, 1.1)


def measure(evidence: Evidence) -> Finding:
    """Take the slope of the logarithm of the error over that of the step length, seed by seed."""
    found = errors()
    order = student_mean(slopes(found))
    unit = f"log-log slope, {N_SEEDS} seeds"
    low, high = BAND
    deciding = (
        Measure(name="order of the error", value=order, unit=unit, threshold=low, wants="above"),
        Measure(name="order of the error", value=order, unit=unit, threshold=high, wants="below"),
    )
    by_step = tuple(
        Measure(
            name=f"error at lr_cov = {lr_cov:g}; {noted:g} was noted",
            value=student_mean(column),
            unit=f"relative distance, {N_SEEDS} seeds",
        )
        for (lr_cov, noted), column in zip(NOTED.items(), found.T, strict=True)
    )
    return Finding(measures=(*deciding, *by_step), notes=("Computed when this page was made, from fixed seeds.",))


@cache
def errors() -> Array:
    """Return the relative errors, [seed, step length]."""
    from rmobench.harness.precision import one_thread  # bring torch
    from rmobench.optimizers.natural.agreement import disagreement

    with one_thread():
        return np.array([[disagreement(lr_cov, seed=seed) for lr_cov in NOTED] for seed in range(N_SEEDS)])


def slopes(found: Array) -> Array:
    """Return the least-squares slope of log error against log step length, [seed]."""
    x = np.log(list(NOTED))
    x = x - x.mean()
    fitted: Array = np.log(found) @ x / (x @ x)
    return fitted


def figure(evidence: Evidence) -> Figure:
    """Draw the errors of every seed against the step length, with what was noted and a line of slope one."""
    from rmobench.claims.figures import panels

    drawn, (axes,) = panels(1, width=4.6, height=3.4)
    steps, found = list(NOTED), errors()
    axes.plot(steps, found.T, ".", color="tab:blue", markersize=4)
    axes.plot(steps, list(NOTED.values()), "x", color="tab:red", label="noted")
    first = found[:, 0].mean() / steps[0]
    axes.plot(steps, [first * step for step in steps], color="black", linewidth=0.5, label="slope 1")
    axes.plot([], [], ".", color="tab:blue", label="measured, a point per seed")
    axes.set(xscale="log", yscale="log", xlabel="lr_cov", ylabel="relative error of the average")
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.set_xticks([], minor=True)
    axes.legend(fontsize=8)
    return drawn


CLAIM = Claim(
    name="ikfac_follows_kfac",
    source="Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705",
    statement="IKFAC's factors follow the inverse of KFAC's moving average up to the order of their step length.",
    measurement="Both see the same random curvature (batches of 78 normal rows in 10 dimensions, damping 1e-3) for ten "
    "time constants, in float64, with the functions that their steps call. The order, the log-log slope of the "
    "relative distance of (K K^T)^-1 from the average over lr_cov = 0.1, 0.05, 0.025 and 0.0125, must lie in "
    "[0.9, 1.1]. Interval: Student's t over seeds.",
    not_covered="Training: whether the difference matters there. Structured factors, which follow a projection. "
    "Curvature that changes faster than the average forgets, larger steps, and low precision.",
    measure=measure,
    figure=figure,
)
