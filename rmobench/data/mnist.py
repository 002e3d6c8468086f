"""MNIST from a folder of its four IDX files."""

from __future__ import annotations

from rmobench.data.folder import Folder
from rmobench.data.idx import FILES, read_images
from rmobench.data.provenance import Dataset
from rmobench.data.source import Source

FOLDER = Folder(
    name="mnist",
    folder="mnist",
    files=FILES,
    licence="CC BY-SA 3.0",
    advice="Put the four published IDX files there.",
)


def mnist() -> Dataset:
    """Return 60,000 + 10,000 images [n, 1, 28, 28] of grey values 0 to 255 and their digits [n].

    Source: LeCun, Cortes, Burges 1998, The MNIST database of handwritten digits.

    Raises:
        MissingDependencyError: No known place holds all the files.
        DataError: One of them is damaged.
    """
    return read_images(FOLDER)


SOURCE = Source(
    summary="60,000 + 10,000 handwritten digits, 28 x 28 grey values",
    carrier="your folder mnist",
    licence=FOLDER.licence,
    where=FOLDER.where,
    fetch=FOLDER.located,
    load=mnist,
)
