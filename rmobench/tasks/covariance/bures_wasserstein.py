"""The barycentre of centred normal distributions in the Wasserstein distance."""

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
from rmobench.tasks.covariance.spectra import eigenvalues
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def mean_square_distance(x: Tensor, roots: Tensor) -> Tensor:
    """Return the mean of tr x + tr M - 2 tr (R^T x R)^1/2 over matrices M = R R^T; [n, n], [m, n, n] -> [].

    The eigenvalues of R^T x R are those of M^1/2 x M^1/2.
    Source: Bhatia, Jain, Lim 2019, Expo. Math. 37(2), eq. 1.
    """
    cross = eigenvalues(roots.mT @ x @ roots).sqrt().sum(-1)
    return x.trace() + (roots.square().sum((-2, -1)) - 2.0 * cross).mean()


@task(
    family="covariance",
    source="Agueh, Carlier 2011, SIAM J. Math. Anal. 43(2); Alvarez-Esteban, del Barrio, Cuesta-Albertos, Matran 2016, "
    "J. Math. Anal. Appl. 441(2)",
    offers=("deterministic", "second_order", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def bures_wasserstein(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "synthetic",
    count: int = 20,
    dim: int = 10,
    cond: float = 100.0,
) -> Problem:
    """Minimise the mean square of the Bures-Wasserstein distances from x [n, n] to given matrices.

    The function is strictly convex in x, so its one stationary point is the minimum: `barycentre` finds it. The
    manifold's metric is the affine-invariant one, which is not that of the distances.

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
    roots, optimum = _instance(data, count, dim, cond, seed if data == "synthetic" else 0)
    n = roots.shape[-1]
    return spd_problem(
        mean_square_distance,
        {"roots": roots},
        optimum=optimum,
        start={"x": Spd().random((n, n), stream(seed, "init"))},
        device=device,
        dtype=dtype,
    )


@cache
def _instance(data: str, count: int, dim: int, cond: float, seed: int) -> tuple[Tensor, float]:
    """Return roots and minimum, from memory from the second time on: a trial builds its problem three times."""
    M = matrices("bures_wasserstein", data, count=count, dim=dim, cond=cond, generator=stream(seed, "instance"))
    roots = torch.linalg.cholesky(M)
    return roots, mean_square_distance(barycentre("bures_wasserstein", M), roots).item()


def barycentre(task: str, M: Tensor) -> Tensor:
    """Return the barycentre [n, n] of matrices [m, n, n], by x <- T x T from their arithmetic mean.

    T is the mean of the optimal maps from x to M, and the identity at the barycentre alone. With x = L L^T and H the
    mean of (L^T M L)^1/2 it is L^-T H L^-1, and T x T = L^-T H^2 L^-1.
    Source: Alvarez-Esteban et al. 2016, J. Math. Anal. Appl. 441(2), thm. 4.2.

    Raises:
        ArgumentError: The iteration did not arrive.
    """
    return fixed_point(task, partial(_mapped, M), M.mean(0))


def _mapped(M: Tensor, x: Tensor) -> tuple[Tensor, float]:
    L = cholesky(x)
    values, V = eigh(symmetric(L.T @ M @ L))
    H = symmetric(((V * values.sqrt().unsqueeze(-2)) @ V.mT).mean(0))
    back = torch.linalg.solve_triangular(L, H, upper=False, left=False)  # H L^-1
    T = torch.linalg.solve_triangular(L.T, back, upper=True)
    away = torch.linalg.matrix_norm(T - torch.eye(len(T), dtype=T.dtype)).item()
    return symmetric(T @ x @ T), away
