"""Softmax regression whose class directions are orthonormal."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import cross_entropy

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel, qr_factor
from rmobench.registry import task
from rmobench.tasks.orthogonal.frame import frame_problem
from rmobench.tasks.samples import Samples, samples
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def mean_cross_entropy(x: Tensor, rows: Tensor, labels: Tensor, *, scale: float) -> Tensor:
    """Return the mean cross-entropy of softmax(scale rows x); [d, c], [m, d], [m] -> []."""
    return cross_entropy(scale * (rows @ x), labels)


@task(
    family="orthogonal",
    source="Yu et al. 2025, CVIU 253, arXiv 2501.15235 (classification on Stiefel); data: Alpaydin, Kaynak 1998",
    offers=("deterministic", "second_order", "matrix_parameters", "stiefel"),
    constraint="stiefel",
    data=True,
)
def stiefel_classification(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "digits",
    scale: float = 8.0,
    split: str = "all",
    instance: int = 0,
) -> Problem:
    """Minimise the mean cross-entropy of softmax(scale z x) over all samples z, x [d, c] with orthonormal columns.

    The samples are centred, and their mean square length is 1. The minimum comes from an independent solver: see
    `lowest`.

    Args:
        seed: Draws the start, uniform on the manifold.
        device: Where x and the samples live.
        dtype: Storage precision of both.
        data: A name that `rmobench data list` shows; c is the number of its kinds.
        scale: Of the logits; the longer, the sharper the minimum can be, and the worse it is conditioned.
        split: "all" rows; "train": those that learned optimizers may be trained on; "held_out": the others.
        instance: 0: every row of the split; k: half of its rows of five kinds, drawn anew for each k.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A scale, split or instance that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if not 0.0 < scale < float("inf"):
        raise ArgumentError(f"stiefel_classification: got scale={scale}, expected a finite positive number.")
    chosen, optimum = _instance(data, split, instance, scale)
    manifold = Stiefel()
    return frame_problem(
        partial(mean_cross_entropy, scale=scale),
        {"rows": chosen.rows.clone(), "labels": chosen.labels.clone()},
        optimum=optimum,
        manifold=manifold,
        start=manifold.random((chosen.rows.shape[1], chosen.n_kinds), stream(seed, "init")),
        device=device,
        dtype=dtype,
    )


@cache
def _instance(data: str, split: str, instance: int, scale: float) -> tuple[Samples, float]:
    """Return samples and minimum, from memory from the second time on: a trial builds its problem three times."""
    raw = samples("stiefel_classification", data, split=split, instance=instance)
    centred = raw.rows - raw.rows.mean(0)
    chosen = Samples(rows=centred / centred.square().sum(1).mean().sqrt(), labels=raw.labels, n_kinds=raw.n_kinds)
    return chosen, lowest(chosen, scale=scale)


SLOPE_MAX = 1e-6
"""Largest entry of the gradient at a reference minimum, whose error is of the order of its square."""


def lowest(chosen: Samples, *, scale: float, seed: int = 0) -> float:
    """Return the minimum over frames, by scipy's L-BFGS-B in float64 on the factor Q of an unconstrained matrix.

    The problem is not convex, but every start that was tried on the digits ended in the same value: a test repeats it.

    Args:
        chosen: Samples of mean square length 1.
        scale: Of the logits.
        seed: Draws the solver's start; no part of the task's.

    Raises:
        ArgumentError: The solver did not arrive at a stationary point.
    """
    shape = (chosen.rows.shape[1], chosen.n_kinds)

    def value_and_slope(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        V = torch.tensor(flat.reshape(shape)).requires_grad_()
        value = mean_cross_entropy(qr_factor(V), chosen.rows, chosen.labels, scale=scale)
        (slope,) = torch.autograd.grad(value, V)
        return value.item(), slope.numpy().ravel()

    start = Stiefel().random(shape, stream(seed, "reference")).numpy().ravel()
    options: dict[str, Any] = {"maxiter": 5000, "maxfun": 10000, "maxcor": 30, "ftol": 0.0, "gtol": 1e-12}
    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    slope = float(np.abs(found.jac).max())
    if not slope <= SLOPE_MAX:
        raise ArgumentError(
            f"stiefel_classification: at scale={scale} the reference solver ends at a slope of {slope:.1e}, expected "
            f"at most {SLOPE_MAX:g}. Give a smaller scale."
        )
    return float(found.fun)
