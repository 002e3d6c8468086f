"""Brockett's cost: a trace that sorts the eigenvectors."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.registry import task
from rmobench.tasks.orthogonal.frame import frame_problem
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def weighted_trace(x: Tensor, A: Tensor, weights: Tensor) -> Tensor:
    """Return tr(x^T A x N) with N = diag(weights); [n, p], [n, n], [p] -> []."""
    return (x * (A @ x) * weights).sum()


@task(
    family="orthogonal",
    source="Brockett 1991, Linear Algebra Appl. 146; Absil, Mahony, Sepulchre 2008, sec. 4.8",
    offers=("deterministic", "second_order", "matrix_parameters", "stiefel"),
    constraint="stiefel",
)
def brockett(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    rows: int = 40,
    columns: int = 5,
    cond: float = 100.0,
) -> Problem:
    """Minimise tr(x^T A x N) with N = diag(1, ..., p) / p: only the eigenvectors of the lowest eigenvalues, in order.

    The symmetric A [n, n] has eigenvalues evenly spread on the log scale from 1 / cond to 1, and a random basis. The
    minimum pairs the largest weight with the lowest eigenvalue.

    Args:
        seed: Draws the basis and the start, both uniform.
        device: Where x and A live.
        dtype: Storage precision of both.
        rows: n of x [n, p], 2 to 2000.
        columns: p of x, at most n.
        cond: Condition number of A, more than 1.

    Raises:
        ArgumentError: A shape or a condition that does not exist.
    """
    if not 1 <= columns <= rows or not 2 <= rows <= 2000:
        raise ArgumentError(f"brockett: got {rows} x {columns}, expected 1 <= columns <= rows and 2 <= rows <= 2000.")
    if not 1.0 < cond < float("inf"):
        raise ArgumentError(f"brockett: got cond={cond}, expected a finite number above 1.")
    manifold = Stiefel()
    eigenvalues = torch.logspace(-1.0, 0.0, rows, base=cond, dtype=torch.float64)
    basis = manifold.random((rows, rows), stream(seed, "instance"))
    weights = torch.arange(1, columns + 1, dtype=torch.float64) / columns
    return frame_problem(
        weighted_trace,
        {"A": basis * eigenvalues @ basis.T, "weights": weights},
        optimum=(eigenvalues[:columns] * weights.flip(0)).sum().item(),
        manifold=manifold,
        start=manifold.random((rows, columns), stream(seed, "init")),
        device=device,
        dtype=dtype,
    )
