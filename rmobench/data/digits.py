"""Handwritten digits 8 x 8, as scikit-learn carries them."""

from __future__ import annotations

import gzip
import io

import numpy as np

from rmobench.data.carried import CarriedFile
from rmobench.data.provenance import Dataset

FILE = CarriedFile(
    name="digits",
    package="scikit-learn",
    path="sklearn/datasets/data/digits.csv.gz",
    sha256="09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
    licence="CC BY 4.0",
)


def digits() -> Dataset:
    """Return 1,797 images [1797, 64], row by row, of grey values 0 to 16, and their digits [1797].

    Source: Alpaydin, Kaynak 1998, Optical Recognition of Handwritten Digits, UCI repository (its test set).

    Raises:
        MissingDependencyError: scikit-learn does not carry the file and the user's folder has none.
        DataError: The file is not the expected one.
    """
    content, provenance = FILE.read()
    table = np.loadtxt(io.BytesIO(gzip.decompress(content)), delimiter=",", dtype=np.float64)
    return Dataset(inputs=table[:, :-1].copy(), labels=table[:, -1].astype(np.int64), provenance=provenance)


SOURCE = FILE.source("1,797 handwritten digits, 8 x 8 grey values", digits)
