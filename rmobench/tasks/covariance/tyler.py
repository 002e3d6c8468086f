"""Tyler's scatter: the shape of heavy-tailed samples."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Spd
from rmobench.geometry.matrices import cholesky, symmetric
from rmobench.registry import task
from rmobench.tasks.covariance.fixed_point import fixed_point
from rmobench.tasks.covariance.instances import SYNTHETIC, conditioned
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.spectra import log_determinant
from rmobench.tasks.covariance.tables import standardised
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def angular_likelihood(x: Tensor, rows: Tensor) -> Tensor:
    """Return log det x + n times the mean of log z^T x^-1 z over rows z; [n, n], [m, n] -> []."""
    whitened = torch.linalg.solve_triangular(cholesky(x), rows.mT, upper=False)
    value: Tensor = log_determinant(x) + len(x) * whitened.square().sum(0).log().mean()
    return value


@task(
    family="covariance",
    source="Tyler 1987, Ann. Stat. 15(1); convexity: Wiesel 2012, IEEE Trans. Signal Process. 60(12)",
    offers=("deterministic", "second_order", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def tyler(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "synthetic",
    count: int = 200,
    dim: int = 10,
    cond: float = 100.0,
) -> Problem:
    """Minimise log det x + n times the mean of log z^T x^-1 z over samples z: a scatter x [n, n] up to its scale.

    The value is that of the shape x / tr x alone: scale is free, no step along the gradient changes the determinant to
    first order, and the judge needs none. Nor do the lengths of the samples count; they are 1, and synthetic ones
    directions of normal samples. The function is convex along geodesics, and strictly so in the shape if no subspace
    holds too many samples; then `scatter`, of trace n, is its minimiser.

    Args:
        seed: Draws the start, of trace n, and synthetic samples.
        device: Where x and the samples live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows; its columns are standardised, constant ones and
            rows of zeros left out.
        count: Number m of synthetic samples, more than n.
        dim: n of synthetic samples, 1 to 512.
        cond: Condition number of the covariance of synthetic samples, its eigenvalues evenly spread on the log scale.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A number, dimension or condition that does not exist; or samples without a scatter.
        MissingDependencyError: The data are not on this machine.
    """
    rows, optimum = _instance(data, count, dim, cond, seed if data == SYNTHETIC else 0)
    n = rows.shape[1]
    drawn = Spd().random((n, n), stream(seed, "init"))
    return spd_problem(
        angular_likelihood,
        {"rows": rows},
        optimum=optimum,
        start={"x": drawn * (n / drawn.trace())},
        device=device,
        dtype=dtype,
    )


@cache
def _instance(data: str, count: int, dim: int, cond: float, seed: int) -> tuple[Tensor, float]:
    """Return unit rows and minimum, from memory from the second time on: a trial builds its problem three times."""
    rows = _synthetic(count, dim, cond, seed) if data == SYNTHETIC else standardised(data)
    lengths = rows.norm(dim=1, keepdim=True)
    rows = (rows / lengths)[lengths.squeeze(1) > 0.0]
    return rows, angular_likelihood(scatter("tyler", rows), rows).item()


def _synthetic(count: int, dim: int, cond: float, seed: int) -> Tensor:
    generator = stream(seed, "instance")
    covariance = conditioned("tyler", dim=dim, cond=cond, generator=generator)
    if count <= dim:
        raise ArgumentError(f"tyler: got count={count}, expected more samples than dim={dim}.")
    normal = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    rows: Tensor = normal @ torch.linalg.cholesky(covariance).T
    return rows


def scatter(task: str, rows: Tensor) -> Tensor:
    """Return Tyler's scatter [n, n] of unit rows [m, n], of trace n, by his fixed-point iteration from the identity.

    x <- n times the mean of z z^T / (z^T x^-1 z), scaled to trace n.
    Source: Tyler 1987, Ann. Stat. 15(1), sec. 2; convergence: Kent, Tyler 1988, J. Appl. Stat. 15(2).

    Raises:
        ArgumentError: The iteration did not arrive: there is no scatter where a subspace holds too many rows.
    """
    return fixed_point(task, partial(_reweighted, rows), torch.eye(rows.shape[1], dtype=rows.dtype))


def _reweighted(rows: Tensor, x: Tensor) -> tuple[Tensor, float]:
    n = len(x)
    L = cholesky(x)
    whitened = torch.linalg.solve_triangular(L, rows.T, upper=False)  # [n, m]
    directions = whitened / whitened.norm(dim=0)
    E = n * directions @ directions.T / len(rows)  # the identity at the solution
    away = torch.linalg.matrix_norm(E - torch.eye(n, dtype=x.dtype)).item()
    following = symmetric(L @ E @ L.T)
    return following * (n / following.trace()), away
