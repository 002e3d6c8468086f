"""Fashion-MNIST from a folder of its four IDX files, as Debian packages it."""

from __future__ import annotations

from pathlib import Path

from rmobench.data.folder import Folder
from rmobench.data.idx import FILES, read_images
from rmobench.data.provenance import Dataset
from rmobench.data.source import Source

PACKAGE = "dataset-fashion-mnist"

FOLDER = Folder(
    name="fashion_mnist",
    folder="fashion-mnist",
    files=FILES,
    licence="MIT",
    advice=f"Get them with `apt install {PACKAGE}`, or put the published files there.",
    system=Path("/usr/share/datasets/fashion-mnist"),
)


def fashion_mnist() -> Dataset:
    """Return 60,000 + 10,000 images [n, 1, 28, 28] of clothes, grey values 0 to 255, and their kinds 0 to 9 [n].

    Source: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747.

    Raises:
        MissingDependencyError: No known place holds all the files.
        DataError: One of them is damaged.
    """
    return read_images(FOLDER)


SOURCE = Source(
    summary="60,000 + 10,000 images of clothes, 28 x 28 grey values",
    carrier=f"Debian's {PACKAGE}, or your folder {FOLDER.folder}",
    licence=FOLDER.licence,
    where=FOLDER.where,
    fetch=FOLDER.located,
    load=fashion_mnist,
)
