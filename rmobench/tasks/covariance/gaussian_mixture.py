"""A mixture of normal distributions, each one positive definite matrix."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.covariance.instances import SYNTHETIC, scattered
from rmobench.tasks.covariance.mixture import augmented, drawn, lowest, negative_log_posterior
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.tables import standardised
from rmobench.tasks.streams import stream
from rmobench.types import Problem

COND = 10.0
"""Bound of the condition numbers of synthetic covariances."""


@task(
    family="covariance",
    source="Hosseini, Sra 2015, NIPS, arXiv 1506.07677; Hosseini, Sra 2020, Math. Program. 181 (with a prior)",
    offers=("deterministic", "second_order", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def gaussian_mixture(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "synthetic",
    components: int = 3,
    dim: int = 3,
    count: int = 300,
    separation: float = 2.0,
    prior: float = 1.0,
) -> Problem:
    """Minimise the mean negative log-likelihood of a mixture of k normal distributions, with a weak prior.

    Mean and covariance of a component are one matrix x_j [d + 1, d + 1], which makes the likelihood of a single
    component convex along geodesics; the logits of the weights [k - 1] are Euclidean. The value of a mixture has local
    minima: the optimum is the lowest that expectation-maximisation in float64 finds from 20 starts, see `mixture`.

    Args:
        seed: Draws the start (means at random samples, the covariance of all samples), and synthetic samples.
        device: Where parameters and samples live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows: the leading principal components of its
            standardised columns.
        components: k, at least 2.
        dim: d, at least 1, of real data at most the number of columns.
        count: Number m of synthetic samples, more than k d; each component has the same number, or one more.
        separation: Least distance of two synthetic means, over the root of the largest trace of a covariance; their
            condition numbers are at most 10.
        prior: Weight of the prior, in samples for each component; positive.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A number that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if not 0.0 < prior < float("inf") or not 0.0 < separation < float("inf"):
        raise ArgumentError(
            f"gaussian_mixture: got prior={prior}, separation={separation}, expected finite positive numbers."
        )
    if components < 2:
        raise ArgumentError(f"gaussian_mixture: got components={components}, expected at least 2.")
    rows, optimum = _instance(data, components, dim, count, separation, prior, seed if data == SYNTHETIC else 0)
    y = augmented(rows)
    return spd_problem(
        partial(negative_log_posterior, prior=prior),
        {"y": y, "root": torch.linalg.cholesky(y.T @ y / len(y))},
        optimum=optimum,
        start={
            "x": drawn(rows, components, stream(seed, "init")),
            "logits": torch.zeros(components - 1, dtype=torch.float64),
        },
        device=device,
        dtype=dtype,
    )


@cache
def _instance(
    data: str, components: int, dim: int, count: int, separation: float, prior: float, seed: int
) -> tuple[Tensor, float]:
    """Return rows and lowest value, from memory from the second time on: a trial builds its problem three times."""
    rows = _synthetic(components, dim, count, separation, seed) if data == SYNTHETIC else _principal(data, dim)
    if len(rows) <= components * rows.shape[1]:
        raise ArgumentError(
            f"gaussian_mixture: got components={components} for samples {list(rows.shape)}, expected fewer than "
            "samples over dimension."
        )
    return rows, lowest(rows, components, prior=prior, generator=stream(0, "reference"))


def _synthetic(components: int, dim: int, count: int, separation: float, seed: int) -> Tensor:
    """Draw rows [m, d] of equally many for each component."""
    generator = stream(seed, "instance")
    covariances = scattered("gaussian_mixture", count=components, dim=dim, cond=COND, generator=generator)
    means = torch.randn(components, dim, generator=generator, dtype=torch.float64)
    extent = covariances.diagonal(dim1=-2, dim2=-1).sum(-1).max().sqrt()
    nearest = torch.nn.functional.pdist(means).min()
    of = torch.arange(count) % components
    noise = torch.randn(count, dim, 1, generator=generator, dtype=torch.float64)
    roots = torch.linalg.cholesky(covariances)
    rows: Tensor = (means * (separation * extent / nearest))[of] + (roots[of] @ noise).squeeze(-1)
    return rows


def _principal(data: str, dim: int) -> Tensor:
    """Return the scores [m, d] of the leading principal components of standardised data."""
    rows = standardised(data)
    if not 1 <= dim <= rows.shape[1]:
        raise ArgumentError(f"gaussian_mixture: got dim={dim}, expected 1 to {rows.shape[1]}.")
    _, directions = torch.linalg.eigh(rows.T @ rows)
    scores: Tensor = rows @ directions[:, -dim:]
    return scores
