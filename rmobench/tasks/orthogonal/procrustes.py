"""The orthogonal Procrustes problem: the frame that takes one set of points to another."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.registry import task
from rmobench.tasks.orthogonal.frame import frame_problem
from rmobench.tasks.streams import stream
from rmobench.types import Problem


def distance(x: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """Return |A x - B|^2 in the Frobenius norm; [n, p], [m, n], [m, p] -> []."""
    return (A @ x - B).square().sum()


def lowest(A: Tensor, B: Tensor) -> float:
    """Return the minimum over orthogonal x [n, n]: |A|^2 + |B|^2 - 2 |A^T B|_*, the last the sum of singular values.

    Source: Schonemann 1966, Psychometrika 31(1).
    """
    nuclear: Tensor = torch.linalg.svdvals(A.T @ B).sum()
    return (A.square().sum() + B.square().sum() - 2.0 * nuclear).item()


@task(
    family="orthogonal",
    source="Schonemann 1966, Psychometrika 31(1); rectangular: Elden, Park 1999, Numer. Math. 82, sec. 1",
    offers=("deterministic", "second_order", "matrix_parameters", "stiefel"),
    constraint="stiefel",
)
def procrustes(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    rows: int = 40,
    columns: int = 10,
    cond: float = 10.0,
    noise: float = 0.0,
) -> Problem:
    """Minimise |A x - B|^2 with B = A x* + noise Z for a random frame x*.

    A [n, n] has singular values evenly spread on the log scale from 1 / cond to 1, and random bases. Without noise the
    minimum is 0, at x*. With it Z [n, p] is standard normal, and x must be square: there the minimum has a closed form,
    but none is known where n > p. Square frames fall into rotations and reflections, and no path leads from one to the
    other: the start is of the minimiser's kind. Where n > p there can be local minima besides, more of them the closer
    p is to n and the larger `cond` is; at the defaults none was met.

    Args:
        seed: Draws A, x*, Z and the start, x* and the start uniform on the manifold.
        device: Where x, A and B live.
        dtype: Storage precision of all three.
        rows: n of x [n, p], 2 to 2000.
        columns: p of x, at most n.
        cond: Condition number of A, at least 1.
        noise: Size of the entries that are added to B; 0 unless n = p.

    Raises:
        ArgumentError: A shape, a condition or noise that does not exist.
    """
    if not 1 <= columns <= rows or not 2 <= rows <= 2000:
        raise ArgumentError(f"procrustes: got {rows} x {columns}, expected 1 <= columns <= rows and 2 <= rows <= 2000.")
    if not 1.0 <= cond < float("inf"):
        raise ArgumentError(f"procrustes: got cond={cond}, expected a finite number of at least 1.")
    if not 0.0 <= noise < float("inf") or (noise and rows != columns):
        raise ArgumentError(f"procrustes: got noise={noise} at {rows} x {columns}, expected 0 unless it is square.")
    manifold, instance = Stiefel(), stream(seed, "instance")
    spectrum = torch.logspace(0.0, -1.0, rows, base=cond, dtype=torch.float64)
    A = manifold.random((rows, rows), instance) * spectrum @ manifold.random((rows, rows), instance)
    planted = manifold.random((rows, columns), instance)
    B = A @ planted + noise * torch.randn(rows, columns, generator=instance, dtype=torch.float64)
    start = manifold.random((rows, columns), stream(seed, "init"))
    if rows == columns and orientation(start) * orientation(A) * orientation(B) < 0:
        start[:, 0].neg_()
    return frame_problem(
        distance,
        {"A": A, "B": B},
        optimum=lowest(A, B) if noise else 0.0,
        manifold=manifold,
        start=start,
        device=device,
        dtype=dtype,
    )


def orientation(a: Tensor) -> float:
    """Return the sign of the determinant of a [n, n], whose value may be beyond any number."""
    return float(torch.linalg.slogdet(a).sign)
