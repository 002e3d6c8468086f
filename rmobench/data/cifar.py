"""The pickles that CIFAR-10 and CIFAR-100 were published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmobench.data.folder import Folder
from rmobench.data.pickled import read_pickle
from rmobench.data.provenance import Dataset
from rmobench.errors import DataError

SHAPE = (3, 32, 32)
"""Red, green and blue, each row by row."""


def read_batches(folder: Folder, *, labels: bytes) -> Dataset:
    """Return the images [n, 3, 32, 32] and labels [n] of a folder; its last file is the test part.

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images; the layout: its "python version".

    Args:
        folder: Of the batches.
        labels: Key of the labels in a batch.

    Raises:
        MissingDependencyError: No known place holds all the files.
        DataError: One is damaged, refers to code, or is laid out in another way.
    """
    contents, provenance = folder.read()
    batches = [_batch(path, read_pickle(path, content), labels) for path, content in contents.items()]
    return Dataset(
        inputs=np.concatenate([images for images, _ in batches]),
        labels=np.concatenate([kinds for _, kinds in batches]),
        provenance=provenance,
        n_test=len(batches[-1][1]),
    )


def _batch(path: Path, batch: Any, labels: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    match batch:
        case {b"data": np.ndarray() as rows} if labels in batch and rows.dtype == np.uint8 and rows.ndim == 2:
            kinds = np.asarray(batch[labels])
            if rows.shape == (len(kinds), np.prod(SHAPE)) and kinds.dtype.kind in "iu":
                return rows.reshape(-1, *SHAPE), kinds.astype(np.int64)
    raise DataError(
        f"{path}: expected b'data' with m rows of 3072 unsigned bytes and {labels!r} with m integers. "
        "Put the published files of the python version there."
    )
