"""Positive definite matrices of a chosen condition number, one or many."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.geometry import Spd, Stiefel
from rmobench.geometry.matrices import symmetric

SYNTHETIC = "synthetic"
"""As a task's argument `data`: drawn at random."""

DIM_MAX = 512

COND_MAX = 1e12
"""Beyond, a matrix is hardly positive definite in float64."""


def conditioned(task: str, *, dim: int, cond: float, generator: Generator) -> Tensor:
    """Draw a matrix [n, n]: uniform basis, eigenvalues evenly spread on the log scale from 1 / cond to 1.

    Args:
        task: Its name, for the messages.
        dim: n, 1 to DIM_MAX.
        cond: Condition number, 1 to COND_MAX.
        generator: Draws the basis.

    Raises:
        ArgumentError: A dimension or a condition that does not exist.
    """
    check(task, dim=dim, cond=cond)
    return _of(torch.logspace(0.0, -1.0, dim, base=cond, dtype=torch.float64), generator)


def scattered(task: str, *, count: int, dim: int, cond: float, generator: Generator) -> Tensor:
    """Draw matrices [count, n, n]: uniform bases, eigenvalues uniform on the log scale from 1 / cond to 1.

    Args:
        task: Its name, for the messages.
        count: Of matrices, at least 1.
        dim: n, 1 to DIM_MAX.
        cond: Bound of their condition numbers, 1 to COND_MAX.
        generator: Draws bases and eigenvalues.

    Raises:
        ArgumentError: A number, dimension or condition that does not exist.
    """
    check(task, dim=dim, cond=cond)
    if count < 1:
        raise ArgumentError(f"{task}: got count={count}, expected at least 1.")
    return _of(cond ** -torch.rand(count, dim, generator=generator, dtype=torch.float64), generator)


def matrices(task: str, data: str, *, count: int, dim: int, cond: float, generator: Generator) -> Tensor:
    """Return the matrices [m, n, n] of a data set, or `scattered` ones.

    Args:
        task: Its name, for the messages.
        data: A name in the catalogue whose rows are positive definite matrices, or SYNTHETIC.
        count: Of synthetic matrices.
        dim: Of synthetic matrices.
        cond: Bound of the condition numbers of synthetic matrices.
        generator: Draws synthetic matrices.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: The data are not positive definite matrices, or a number does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if data == SYNTHETIC:
        return scattered(task, count=count, dim=dim, cond=cond, generator=generator)
    loaded = torch.tensor(load(data).inputs, dtype=torch.float64)
    if loaded.ndim != 3 or loaded.shape[1] != loaded.shape[2] or not Spd().residual(loaded).max() == 0.0:
        raise ArgumentError(
            f"{task}: got data={data!r} of shape {list(loaded.shape)}, expected positive definite matrices [m, n, n]."
        )
    return loaded


def check(task: str, *, dim: int, cond: float) -> None:
    """Raise ArgumentError unless matrices of the dimension and the condition number exist."""
    if not 1 <= dim <= DIM_MAX:
        raise ArgumentError(f"{task}: got dim={dim}, expected 1 to {DIM_MAX}.")
    if not 1.0 <= cond <= COND_MAX:
        raise ArgumentError(f"{task}: got cond={cond}, expected 1 to {COND_MAX:g}.")


def _of(eigenvalues: Tensor, generator: Generator) -> Tensor:
    """Return symmetric matrices of these eigenvalues [..., n] and uniform bases."""
    basis = Stiefel().random((*eigenvalues.shape, eigenvalues.shape[-1]), generator)
    return symmetric((basis * eigenvalues.unsqueeze(-2)) @ basis.mT)
