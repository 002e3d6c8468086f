"""A quadratic form whose minimiser is an inverse."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.geometry import Spd
from rmobench.geometry.matrices import identity
from rmobench.registry import task
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.tables import second_moment
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def distance_from_inverse(x: Tensor, Q: Tensor) -> Tensor:
    """Return |Q^1/2 x Q^1/2 - I|^2 / 2 = tr(Q x Q x) / 2 - tr(Q x) + n / 2, from E = Q x - I as tr(E E) / 2."""
    E = Q @ x - identity(Q)
    return 0.5 * (E * E.mT).sum()


@task(
    family="covariance",
    source="Brickell, Dhillon, Sra, Tropp 2008, SIAM J. Matrix Anal. Appl. 30(1); Lin et al. 2023, ICML, "
    "arXiv 2302.09738, sec. 4",
    offers=("deterministic", "second_order", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def metric_nearness(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "synthetic",
    dim: int = 16,
    cond: float = 100.0,
) -> Problem:
    """Minimise |Q^1/2 x Q^1/2 - I|^2 / 2 over x [n, n]: the minimum 0 is at Q^-1.

    With A = Q^1/2 x Q^1/2 this is |A - I|^2 / 2, a convex quadratic form in x. Its Euclidean Hessian at any point is
    the Kronecker product of Q with itself, of condition cond^2; in the affine-invariant metric the Hessian at the
    minimiser is the identity.

    Args:
        seed: Draws the start, and the basis of a synthetic Q.
        device: Where x and Q live.
        dtype: Storage precision.
        data: "synthetic", or a name that `rmobench data list` shows, whose correlations are Q: constant columns left
            out, mixed with a thousandth of the identity where they are rank deficient.
        dim: n of a synthetic Q, 1 to 512.
        cond: Condition number of a synthetic Q, its eigenvalues evenly spread on the log scale up to 1.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A dimension or a condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    Q = second_moment("metric_nearness", data, dim=dim, cond=cond, generator=stream(seed, "instance"))
    return spd_problem(
        distance_from_inverse,
        {"Q": Q},
        optimum=0.0,
        start={"x": Spd().random(tuple(Q.shape), stream(seed, "init"))},
        device=device,
        dtype=dtype,
    )
