"""CIFAR-100 from a folder of its published pickles."""

from __future__ import annotations

from rmobench.data.cifar import read_batches
from rmobench.data.folder import Folder
from rmobench.data.provenance import Dataset
from rmobench.data.source import Source

FOLDER = Folder(
    name="cifar100",
    folder="cifar-100-python",
    files=("train", "test"),
    licence="none stated",
    advice="Put the published files of the python version there.",
)


def cifar100() -> Dataset:
    """Return 50,000 + 10,000 images [n, 3, 32, 32], colours 0 to 255, and their fine kinds 0 to 99 [n].

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.

    Raises:
        MissingDependencyError: No known place holds all the files.
        DataError: One of them is damaged or refers to code.
    """
    return read_batches(FOLDER, labels=b"fine_labels")


SOURCE = Source(
    summary="50,000 + 10,000 colour images 32 x 32 of a hundred kinds",
    carrier=f"your folder {FOLDER.folder}",
    licence=FOLDER.licence,
    where=FOLDER.where,
    fetch=FOLDER.located,
    load=cifar100,
)
