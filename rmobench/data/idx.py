"""IDX files, the format that MNIST was published in, and the four of them that make a data set."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmobench.data.folder import GZIPPED, Folder
from rmobench.data.provenance import Dataset
from rmobench.errors import DataError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""Names of the four files, as published, without .gz."""

UNSIGNED_BYTE = 0x08
"""The third byte of a file: the type of its entries."""


def read_idx(path: Path, content: bytes, *, ndim: int) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes in an IDX file.

    Two zero bytes, the type, the number of axes; their lengths as big-endian 32-bit numbers; the entries, the last
    axis running fastest.
    Source: LeCun, Cortes, Burges 1998, The MNIST database of handwritten digits, section "File formats".

    Args:
        path: Where the content comes from; a name ending in .gz is unpacked.
        content: Of the file.
        ndim: Number of axes that the array must have.

    Raises:
        DataError: It is damaged, of another kind, shorter or longer than its header says.
    """
    if path.suffix == GZIPPED:
        content = _unpacked(path, content)
    header = 4 + 4 * ndim
    expected = bytes((0, 0, UNSIGNED_BYTE, ndim))
    if content[:4] != expected:
        raise DataError(
            f"{path}: begins with {content[:4].hex()}, expected {expected.hex()}: an IDX file of unsigned bytes with "
            f"{ndim} axes. Put the published file there."
        )
    shape = struct.unpack(f">{ndim}I", content[4:header]) if len(content) >= header else (0,)
    length = header + math.prod(shape)
    if len(content) != length:
        raise DataError(f"{path}: got {len(content)} bytes, expected {length} by its header. Get the file again.")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read_images(folder: Folder) -> Dataset:
    """Return the images [n, 1, h, w] and labels [n] of a folder of the four files, the test part last.

    Raises:
        MissingDependencyError: No known place holds all the files.
        DataError: One is damaged, or images and labels do not belong together.
    """
    contents, provenance = folder.read()
    train, train_labels, test, test_labels = (
        read_idx(path, content, ndim=ndim) for (path, content), ndim in zip(contents.items(), (3, 1, 3, 1), strict=True)
    )
    for images, labels in ((train, train_labels), (test, test_labels)):
        if len(images) != len(labels) or images.shape[1:] != train.shape[1:]:
            raise DataError(
                f"{folder.located()}: got images {list(images.shape)} with {len(labels)} labels, expected a label for "
                "each image and one size for all. Get the files again."
            )
    return Dataset(
        inputs=np.concatenate([train, test])[:, None],
        labels=np.concatenate([train_labels, test_labels]).astype(np.int64),
        provenance=provenance,
        n_test=len(test),
    )


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: {error}. It is truncated or not gzipped; get the file again.") from None
