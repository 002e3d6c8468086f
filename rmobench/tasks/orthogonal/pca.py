"""Principal components of real data, as frames or as subspaces."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Grassmann, Stiefel
from rmobench.registry import task
from rmobench.tasks.orthogonal.components import components_problem, covariance
from rmobench.tasks.samples import samples
from rmobench.tasks.streams import stream
from rmobench.types import Manifold, Problem

MANIFOLDS: Mapping[str, Manifold] = MappingProxyType({"stiefel": Stiefel(), "grassmann": Grassmann()})
"""What the directions are taken for: themselves, or their span."""


@task(
    family="orthogonal",
    source="Absil, Mahony, Sepulchre 2008, sec. 2.2 and 4.8; data: LeCun, Cortes, Burges 1998",
    offers=("deterministic", "second_order", "matrix_parameters", "stiefel"),
    constraint="stiefel",
    data=True,
)
def pca(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "mnist5k",
    rank: int = 32,
    manifold: str = "stiefel",
    split: str = "all",
    instance: int = 0,
) -> Problem:
    """Maximise the variance that `rank` orthonormal directions explain.

    Args:
        seed: Draws the start, uniform on the manifold.
        device: Where x and the covariance live.
        dtype: Storage precision of both.
        data: A name that `rmobench data list` shows.
        rank: Number p of directions, at least 1 and less than the entries of a row of the data.
        manifold: "stiefel", or "grassmann" as the value depends on the span alone.
        split: "all" rows; "train": those that learned optimizers may be trained on; "held_out": the others.
        instance: 0: every row of the split; k: half of its rows of five kinds, drawn anew for each k.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: A rank out of its range, or a manifold, split or instance that does not exist.
        MissingDependencyError: The data are not on this machine.
    """
    if manifold not in MANIFOLDS:
        raise ArgumentError(f"pca: got manifold={manifold!r}, expected one of {', '.join(MANIFOLDS)}.")
    return components_problem(
        "pca",
        _covariance(data, split, instance).clone(),
        rank=rank,
        manifold=MANIFOLDS[manifold],
        init=stream(seed, "init"),
        device=device,
        dtype=dtype,
    )


@cache
def _covariance(data: str, split: str, instance: int) -> Tensor:
    """Return it from memory from the second time on: a trial builds its problem three times."""
    return covariance(samples("pca", data, split=split, instance=instance).rows)
