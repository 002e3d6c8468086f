"""The mean of positive definite matrices in the affine-invariant metric."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor

from rmobench.geometry import Spd
from rmobench.geometry.matrices import cholesky, eigh, symmetric
from rmobench.registry import task
from rmobench.tasks.covariance.fixed_point import fixed_point
from rmobench.tasks.covariance.instances import matrices
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.spectra import square_distances, whiteners
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def mean_square_distance(x: Tensor, whiteners: Tensor) -> Tensor:
    """Return the mean of |log(M^-1/2 x M^-1/2)|^2 over matrices M; [n, n], [m, n, n] -> []."""
    return square_distances(x, whiteners).mean()


@task(
    family="covariance",
    source="Moakher 2005, SIAM J. Matrix Anal. Appl. 26(3); Bini, Iannazzo 2013, Linear Algebra Appl. 438(4)",
    offers=("deterministic", "second_order", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def karcher_mean(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "synthetic",
    count: int = 20,
    dim: int = 10,
    cond: float = 100.0,
) -> Problem:
    """Minimise the mean square of the affine-invariant distances from x [n, n] to given matrices.

    The function is strictly convex along geodesics, so its one stationary point is the minimum: `mean` finds it.

    Args:
        seed: Draws the start, and synthetic matrices.
        device: Where x and the matrices live.
        dtype: Storage precision.
        data: "synthetic", or a name of positive definite matrices that `rmobench data list` shows, e.g. connectomes.
        count: Number m of synthetic matrices, at least 1.
        dim: n of synthetic matrices, 1 to 512.
        cond: Bound of the condition numbers of synthetic matrices, their eigenvalues uniform on the log scale up to 1.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: Data of another kind; a number, dimension or condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    whitening, optimum = _instance(data, count, dim, cond, seed if data == "synthetic" else 0)
    n = whitening.shape[-1]
    return spd_problem(
        mean_square_distance,
        {"whiteners": whitening},
        optimum=optimum,
        start={"x": Spd().random((n, n), stream(seed, "init"))},
        device=device,
        dtype=dtype,
    )


@cache
def _instance(data: str, count: int, dim: int, cond: float, seed: int) -> tuple[Tensor, float]:
    """Return whiteners and minimum, from memory from the second time on: a trial builds its problem three times."""
    M = matrices("karcher_mean", data, count=count, dim=dim, cond=cond, generator=stream(seed, "instance"))
    whitening = whiteners(M)
    return whitening, mean_square_distance(mean("karcher_mean", M), whitening).item()


def mean(task: str, M: Tensor) -> Tensor:
    """Return the Karcher mean [n, n] of matrices [m, n, n], by a Richardson iteration from the arithmetic mean.

    x <- L exp(t G) L^T with x = L L^T and G the mean of log(L^-1 M L^-T), which is 0 at the mean alone. The Hessian of
    half the square distance to M has eigenvalues from 1 to b = (c + 1) / (c - 1) log(c) / 2, c the condition number of
    L^-1 M L^-T; t = 2 / (1 + mean of b) is best between such ends.
    Source: Bini, Iannazzo 2013, Linear Algebra Appl. 438(4), sec. 3.

    Raises:
        ArgumentError: The iteration did not arrive.
    """
    return fixed_point(task, partial(_richardson, M), M.mean(0))


def _richardson(M: Tensor, x: Tensor) -> tuple[Tensor, float]:
    L = cholesky(x)
    whitened = symmetric(torch.linalg.solve(L, torch.linalg.solve(L, M).mT))
    values, V = eigh(whitened)
    logs = values.log()
    G = symmetric(((V * logs.unsqueeze(-2)) @ V.mT).mean(0))
    t = 0.5 * (logs[:, -1] - logs[:, 0])
    most = torch.where(t > 1e-4, t / t.tanh(), 1.0)  # (c + 1) / (c - 1) log(c) / 2 = t coth t; 1 + t^2 / 3 near 0
    step = 2.0 / (1.0 + most.mean())
    return symmetric(L @ torch.linalg.matrix_exp(step * G) @ L.T), torch.linalg.matrix_norm(G).item()
