"""Images as covariances of what their pixels look like, and the search for their clusters."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Generator, Tensor

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.tasks.covariance.karcher_mean import mean
from rmobench.tasks.covariance.spectra import square_distances, whiteners

MAX_ITERATIONS = 200


def region_covariances(task: str, data: str, *, kinds: Collection[int], each: int) -> Tensor:
    """Return covariances [m, 5, 5] of five features over the pixels of an image, for the first images of some kinds.

    The features are row and column, grey value, and the sizes of its slopes along both; the grey values and the two
    coordinates run from 0 to 1.
    Source: Tuzel, Porikli, Meer 2006, ECCV, sec. 2.

    Args:
        task: Its name, for the messages.
        data: A name in the catalogue, of square images of grey values.
        kinds: Labels of the images.
        each: At most so many images of a kind.

    Raises:
        UnknownNameError: No such data.
        ArgumentError: They are not square images of grey values.
        MissingDependencyError: The data are not on this machine.
    """
    loaded = load(data)
    labels = torch.tensor(loaded.labels)
    pixels = torch.tensor(loaded.inputs, dtype=torch.float64).flatten(1)
    side = math.isqrt(pixels.shape[1])
    if side**2 != pixels.shape[1]:
        raise ArgumentError(
            f"{task}: got data={data!r} with {pixels.shape[1]} entries in a row, expected square images."
        )
    chosen = torch.cat([(labels == kind).nonzero().squeeze(-1)[:each] for kind in kinds])
    grey = (pixels[chosen] / pixels.max()).reshape(-1, side, side)
    place = torch.linspace(0.0, 1.0, side, dtype=torch.float64)
    slopes = [slope.abs() for slope in torch.gradient(grey, dim=(1, 2))]
    rows, columns = place[:, None].expand_as(grey), place.expand_as(grey)
    features = torch.stack([rows, columns, grey, *slopes], -1).flatten(1, 2)  # [m, pixels, 5]
    centred = features - features.mean(1, keepdim=True)
    return centred.mT @ centred / side**2


def clustered(M: Tensor, clusters: int, generator: Generator) -> tuple[Tensor, float]:
    """Return centres [k, n, n], and the mean square distance of matrices M [m, n, n] to the nearest, by Lloyd's rule.

    It starts at distinct matrices, and moves each centre to the Karcher mean of those it is nearest to, until none
    changes its centre.
    Source: Lloyd 1982, IEEE Trans. Inf. Theory 28(2).
    """
    whitening = whiteners(M)
    centres = M[torch.randperm(len(M), generator=generator)[:clusters]].clone()
    before = torch.empty(0, dtype=torch.int64)
    for _ in range(MAX_ITERATIONS):
        distances = square_distances(centres.unsqueeze(1), whitening)  # [k, m]
        nearest = distances.argmin(0)
        if torch.equal(nearest, before):
            break
        before = nearest
        for j in range(clusters):
            if (nearest == j).any():
                centres[j] = mean("regions", M[nearest == j])
    return centres, distances.amin(0).mean().item()
