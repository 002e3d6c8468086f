"""Clusters of images by the covariances of their pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.registry import task
from rmobench.tasks.covariance.regions import region_covariances
from rmobench.tasks.covariance.spd_problem import spd_problem
from rmobench.tasks.covariance.spectra import square_distances, whiteners
from rmobench.tasks.streams import stream
from rmobench.types import Problem

BEST_KNOWN = Path(__file__).parent / "targets" / "spd_clustering.json"

EACH = 60
"""Images of each kind."""

KINDS: Mapping[int, tuple[int, ...]] = MappingProxyType({2: (0, 4), 3: (0, 1, 4)})
"""Digits on the images, by the number of clusters: they fall into clusters, so that most starts lead to one minimum."""


def distance_to_nearest(x: Tensor, whiteners: Tensor) -> Tensor:
    """Return the mean square distance of matrices to the nearest centre; [k, n, n], [m, n, n] -> []."""
    return square_distances(x.unsqueeze(1), whiteners).amin(0).mean()


@task(
    family="covariance",
    source="Tuzel, Porikli, Meer 2006, ECCV (region covariances); Cherian, Sra 2017, IEEE TNNLS 28(12) (clusters); "
    "data: Alpaydin, Kaynak 1998",
    offers=("deterministic", "matrix_parameters", "spd"),
    constraint="spd",
    data=True,
)
def spd_clustering(
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    data: str = "digits",
    clusters: int = 2,
) -> Problem:
    """Minimise the mean square affine-invariant distance of region covariances to the nearest of k centres [k, 5, 5].

    The images are the first 60 of each of k digits. The value has local minima, and kinks where an image changes its
    centre. The optimum is the best known value, frozen in targets/spd_clustering.json with its provenance.

    Args:
        seed: Draws the start, the covariances of k distinct images.
        device: Where centres and covariances live.
        dtype: Storage precision.
        data: "digits".
        clusters: k: 2 (zeros and fours) or 3 (ones too).

    Raises:
        ArgumentError: No best value is known for these arguments.
        MissingDependencyError: The data are not on this machine.
    """
    optimum = best_known(data, clusters)
    M = _covariances(data, clusters)
    chosen = torch.randperm(len(M), generator=stream(seed, "init"))[:clusters]
    return spd_problem(
        distance_to_nearest,
        {"whiteners": whiteners(M)},
        optimum=optimum,
        start={"x": M[chosen]},
        device=device,
        dtype=dtype,
    )


@cache
def _covariances(data: str, clusters: int) -> Tensor:
    """Return them from memory from the second time on: a trial builds its problem three times."""
    return region_covariances("spd_clustering", data, kinds=KINDS[clusters], each=EACH)


@cache
def best_known(data: str, clusters: int) -> float:
    """Return the frozen lowest value.

    Raises:
        ArgumentError: There is none for these arguments.
    """
    values = json.loads(BEST_KNOWN.read_text(encoding="utf-8"))["values"]
    known = {(v["data"], v["clusters"]): float(v["lowest"]) for v in values}
    if (data, clusters) not in known:
        some = "; ".join(f"data={name}, clusters={k}" for name, k in sorted(known))
        raise ArgumentError(
            f"spd_clustering: got data={data}, clusters={clusters}, expected arguments with a best known value: {some}."
        )
    return known[data, clusters]
