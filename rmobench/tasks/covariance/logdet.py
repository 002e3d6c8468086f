"""The Gaussian likelihood of a precision matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import Spd
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.spectra import log_determinant
from rmobench.tasks.covariance.tables import second_moment
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def negative_log_likelihood(x: Tensor, S: Tensor) -> Tensor:
    """Return tr(S x) - log det x: twice the mean over normal samples of second moment S, up to a constant."""
    return (S * x).sum() - log_determinant(x)


@task(
    family="covariance",
    source="Dempster 1972, Biometrics 28(1); Lin et al. 2023, ICML, arXiv 2302.09738, sec. 4",
    offers=("deterministic", "second_order", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def logdet(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "synthetic",
    dim: int = 16,
    cond: float = 100.0,
) -> Problem:
    """Minimise tr(S x) - log det x over precisions x [n, n]: the minimum n + log det S is at S^-1.

    Args:
        seed: Draws the start, and the basis of a synthetic S.
        device: Where x and S live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows, whose correlations are S: constant columns left
            out, mixed with a thousandth of the identity where they are rank deficient.
        dim: n of a synthetic S, 1 to 512.
        cond: Condition number of a synthetic S, its eigenvalues evenly spread on the log scale up to 1.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A dimension or a condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    S = second_moment("logdet", data, dim=dim, cond=cond, generator=stream(seed, "instance"))
    return spd_problem(
        negative_log_likelihood,
        {"S": S},
        optimum=len(S) + torch.linalg.slogdet(S).logabsdet.item(),
        start={"x": Spd().random(tuple(S.shape), stream(seed, "init"))},
        device=device,
        dtype=dtype,
    )
