"""A quadratic with chosen eigenvalues, in a random orthogonal basis."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.analytic.placed import placed
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def eigenvalues(dim: int, *, cond: float, spectrum: str) -> Tensor:
    """Spread `dim` eigenvalues from 1/cond to 1, ascending, float64; [d].

    Args:
        dim: How many.
        cond: The largest over the smallest.
        spectrum: "log" and "linear" spread them evenly on that scale; "one_outlier" puts one at 1, the rest at 1/cond.

    Raises:
        ArgumentError: Another spectrum, or cond < 1.
    """
    if not 1.0 <= cond < float("inf"):
        raise ArgumentError(f"quadratic: got cond={cond}, expected a finite number of at least 1.")
    unit = torch.linspace(0.0, 1.0, dim, dtype=torch.float64)
    match spectrum:
        case "log":
            return cond ** (unit - 1.0)
        case "linear":
            return torch.lerp(torch.full_like(unit, 1.0 / cond), torch.ones_like(unit), unit)
        case "one_outlier":
            return torch.where(unit < 1.0, 1.0 / cond, torch.ones_like(unit))
    raise ArgumentError(f"quadratic: got spectrum={spectrum!r}, expected log, linear or one_outlier.")


def orthogonal(dim: int, generator: torch.Generator) -> Tensor:
    """Draw an orthogonal matrix uniformly, float64; [d, d].

    Source: Mezzadri 2007, Notices of the AMS 54(5): QR of a Gaussian matrix, with the signs of R's diagonal.
    """
    q, r = torch.linalg.qr(torch.randn(dim, dim, generator=generator, dtype=torch.float64))
    rotation: Tensor = q * r.diagonal().sign()
    return rotation


def function(dim: int, *, cond: float, spectrum: str, seed: int) -> Function:
    """Describe |A (x - c)|^2 / 2 with A = diag(eigenvalues)^(1/2) Q; its Hessian is Q^T diag(eigenvalues) Q.

    Minimum 0 at a random c, standard normal. Q and c are drawn from the seed's instance stream.
    """
    check_dim("quadratic", dim)
    generator = stream(seed, "instance")
    scale = eigenvalues(dim, cond=cond, spectrum=spectrum).sqrt().unsqueeze(-1)
    factor = scale * orthogonal(dim, generator)  # A, [d, d]
    minimiser = torch.randn(dim, generator=generator, dtype=torch.float64)
    factor_at, minimiser_at = placed(factor), placed(minimiser)

    def value(x: Tensor) -> Tensor:
        return 0.5 * ((x - minimiser_at(x)) @ factor_at(x).mT).square().sum(-1)

    return Function(value=value, low=-5.0, high=5.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Nocedal, Wright 2006, Numerical Optimization, sec. 3.3; rotation: Mezzadri 2007, Notices of the AMS 54(5)",
    offers=("deterministic", "second_order"),
)
def quadratic(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    dim: int = 10,
    cond: float = 100.0,
    spectrum: str = "log",
) -> Problem:
    """Minimise a convex quadratic of known condition number whose axes are not the coordinates'.

    Args:
        seed: Draws the rotation, the minimiser and the start, both standard normal.
        device: Where x lives.
        dtype: Storage precision of x.
        dim: Length d of x.
        cond: Condition number: the largest eigenvalue is 1, the smallest 1/cond.
        spectrum: How the eigenvalues lie between: log, linear or one_outlier (one at 1, the others at 1/cond).
    """
    chosen = function(dim, cond=cond, spectrum=spectrum, seed=seed)
    start = torch.randn(dim, generator=stream(seed, "init"), dtype=torch.float64)
    return problem(chosen, seed=seed, device=device, dtype=dtype, start=start)
