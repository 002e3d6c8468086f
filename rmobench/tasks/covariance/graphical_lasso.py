"""The graphical lasso, judged by its duality gap."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Spd
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.spectra import log_determinant
from rmobench.tasks.covariance.tables import second_moment
from rmobench.tasks.streams import stream
from rmobench.types import Problem

MAX_HALVINGS = 60
"""Of the way to a point that is feasible in any case; then float64 sees no way left."""


def penalised(x: Tensor, S: Tensor, *, penalty: float) -> Tensor:
    """Return tr(S x) - log det x + penalty * the sum of |x_ij| over i != j; [n, n] twice -> []."""
    return (S * x).sum() - log_determinant(x) + penalty * off_diagonal(x).abs().sum()


def dual_bound(x: Tensor, S: Tensor, *, penalty: float) -> Tensor:
    """Return a lower bound of the minimum, [], that is tight where x is the minimiser.

    Every W > 0 with W_ii = S_ii and |W_ij - S_ij| <= penalty has log det W + n below every value of `penalised`: it is
    the dual problem, whose solution is the inverse of the minimiser. So x^-1 is moved to the nearest such matrix, entry
    by entry. If that is not positive definite, half the way is taken towards `interior` as often as is needed; the
    conditions are convex.
    Source: Banerjee, El Ghaoui, d'Aspremont 2008, J. Mach. Learn. Res. 9, sec. 2 (there with a penalised diagonal).
    """
    reach = off_diagonal(torch.full_like(S, penalty))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky_ex(x).L)
    W = torch.minimum(torch.maximum(inverse, S - reach), S + reach)
    safe = interior(S, penalty=penalty)
    for _ in range(MAX_HALVINGS):
        if not (value := log_determinant(W)).isnan():
            break
        W = 0.5 * (W + safe)
    return value + len(S)


def interior(S: Tensor, *, penalty: float) -> Tensor:
    """Return S with its off-diagonal entries shrunk by one factor, as far as the penalty lets them: feasible, > 0."""
    off = off_diagonal(S)
    return S - min(1.0, penalty / max(off.abs().max().item(), penalty)) * off


def off_diagonal(a: Tensor) -> Tensor:
    """Return a [n, n] with 0 on the diagonal."""
    return a - a.diagonal().diag()


@task(
    family="covariance",
    source="Friedman, Hastie, Tibshirani 2008, Biostatistics 9(3); Banerjee, El Ghaoui, d'Aspremont 2008, J. Mach. "
    "Learn. Res. 9",
    offers=("deterministic", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def graphical_lasso(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "breast_cancer",
    penalty: float = 0.1,
    dim: int = 16,
    cond: float = 100.0,
) -> Problem:
    """Minimise tr(S x) - log det x + penalty * the sum of |x_ij| over i != j: a sparse precision x [n, n].

    The gap is the duality gap over that of the start: how far the value can be above the minimum at most, as the point
    itself proves; see `dual_bound`. It falls with the distance from the minimiser and not with its square. The function
    has kinks where entries of x are 0, as most of the minimiser's are.

    Args:
        seed: Draws the start, and the basis of a synthetic S.
        device: Where x and S live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows, whose correlations are S: constant columns left
            out, mixed with a thousandth of the identity where they are rank deficient.
        penalty: Of the off-diagonal entries, positive.
        dim: n of a synthetic S, 2 to 512.
        cond: Condition number of a synthetic S, its eigenvalues evenly spread on the log scale up to 1.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A penalty, a dimension or a condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if not 0.0 < penalty < float("inf"):
        raise ArgumentError(f"graphical_lasso: got penalty={penalty}, expected a finite positive number.")
    S = second_moment("graphical_lasso", data, dim=dim, cond=cond, generator=stream(seed, "instance"))
    return spd_problem(
        partial(penalised, penalty=penalty),
        {"S": S},
        optimum=partial(dual_bound, penalty=penalty),
        start={"x": Spd().random(tuple(S.shape), stream(seed, "init"))},
        device=device,
        dtype=dtype,
    )
