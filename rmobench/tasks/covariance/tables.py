"""Rows of real data, standardised, and their correlations."""

from __future__ import annotations

from functools import cache

import torch
from torch import Generator, Tensor

from rmobench.data import load
from rmobench.geometry.matrices import symmetric
from rmobench.tasks.covariance.instances import SYNTHETIC, conditioned

RANK_COND = 1e6
"""Correlations beyond this condition number are taken for rank deficient."""

RIDGE = 1e-3
"""Share of the identity that is mixed into those."""


@cache
def standardised(data: str) -> Tensor:
    """Return the rows [m, n] of a data set, every column of mean 0 and variance 1; constant columns are left out.

    From memory from the second time on: do not change it.

    Raises:
        UnknownNameError: No such data.
        MissingDependencyError: The data are not on this machine.
    """
    rows = torch.tensor(load(data).inputs, dtype=torch.float64).flatten(1)
    deviation, mean = torch.std_mean(rows, dim=0, correction=0)
    varying = deviation > 0.0
    return ((rows - mean) / deviation)[:, varying]


@cache
def correlations(data: str) -> Tensor:
    """Return the correlations [n, n] of a data set, (1 - r) C + r I with r = RIDGE where they are rank deficient.

    From memory from the second time on: do not change it.

    Raises:
        UnknownNameError: No such data.
        MissingDependencyError: The data are not on this machine.
    """
    rows = standardised(data)
    C = symmetric(rows.T @ rows) / len(rows)
    spectrum = torch.linalg.eigvalsh(C)
    if spectrum[-1] < RANK_COND * spectrum[0]:
        return C
    return (1.0 - RIDGE) * C + RIDGE * torch.eye(len(C), dtype=torch.float64)


def second_moment(task: str, data: str, *, dim: int, cond: float, generator: Generator) -> Tensor:
    """Return the correlations of a data set, or a synthetic matrix `conditioned`; [n, n].

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A dimension or a condition that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if data == SYNTHETIC:
        return conditioned(task, dim=dim, cond=cond, generator=generator)
    return correlations(data)
