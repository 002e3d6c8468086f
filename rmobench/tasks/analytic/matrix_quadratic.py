"""A quadratic of a matrix, with Kronecker-structured curvature."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.analytic.closed_form import Function, check_dim, problem
from rmobench.tasks.analytic.placed import placed
from rmobench.tasks.analytic.quadratic import eigenvalues, orthogonal
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def function(rows: int, columns: int, *, cond: float, seed: int) -> Function:
    """Describe |A (X - C) B|_F^2 / 2; its Hessian is the Kronecker product of B B^T and A^T A, of condition `cond`.

    A [n, n] and B [p, p] have condition cond^(1/4) each (so their squares multiply to cond), singular values evenly
    spread on the log scale, random bases. Minimum 0 at a random C, standard normal.
    """
    for name, dim in (("rows", rows), ("columns", columns)):
        check_dim(f"matrix_quadratic {name}", dim)
    if rows * columns > 10**6:
        raise ArgumentError(f"matrix_quadratic: got {rows} x {columns}, expected at most a million entries.")
    generator = stream(seed, "instance")
    half = cond**0.5
    left = eigenvalues(rows, cond=half, spectrum="log").sqrt().unsqueeze(-1) * orthogonal(rows, generator)
    right = orthogonal(columns, generator) * eigenvalues(columns, cond=half, spectrum="log").sqrt()
    minimiser = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    left_at, right_at, minimiser_at = placed(left), placed(right), placed(minimiser)

    def value(x: Tensor) -> Tensor:
        return 0.5 * (left_at(x) @ (x - minimiser_at(x)) @ right_at(x)).square().sum((-2, -1))

    return Function(value=value, low=-5.0, high=5.0, minimiser=minimiser, optimum=0.0)


@task(
    family="analytic",
    source="Gupta, Koren, Singer 2018, ICML, arXiv 1802.09568 (curvature of a matrix as a Kronecker product)",
    offers=("deterministic", "second_order", "matrix_parameters"),
)
def matrix_quadratic(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    rows: int = 8,
    columns: int = 4,
    cond: float = 100.0,
) -> Problem:
    """Minimise a convex quadratic of one matrix, where methods that see its rows and columns can gain.

    Args:
        seed: Draws the bases, the minimiser and the start, both standard normal.
        device: Where X lives.
        dtype: Storage precision of X.
        rows: n of X [n, p].
        columns: p of X.
        cond: Condition number of the Hessian; its largest eigenvalue is 1.
    """
    chosen = function(rows, columns, cond=cond, seed=seed)
    start = torch.randn(rows, columns, generator=stream(seed, "init"), dtype=torch.float64)
    return problem(chosen, seed=seed, device=device, dtype=dtype, start=start)
