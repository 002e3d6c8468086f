"""CIFAR-10 from a folder of its published pickles."""

from __future__ import annotations

from rmobench.data.cifar import read_batches
from rmobench.data.folder import Folder
from rmobench.data.provenance import Dataset
from rmobench.data.source import Source

FOLDER = Folder(
    name="cifar10",
    folder="cifar-10-batches-py",
    files=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"),
    licence="none stated",
    advice="Put the published files of the python version there.",
)


def cifar10() -> Dataset:
    """Return 50,000 + 10,000 images [n, 3, 32, 32], colours 0 to 255, and their kinds 0 to 9 [n].

    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.

    Raises:
        MissingDependencyError: No known place holds all the files.
        DataError: One of them is damaged or refers to code.
    """
    return read_batches(FOLDER, labels=b"labels")


SOURCE = Source(
    summary="50,000 + 10,000 colour images 32 x 32 of ten kinds",
    carrier=f"your folder {FOLDER.folder}",
    licence=FOLDER.licence,
    where=FOLDER.where,
    fetch=FOLDER.located,
    load=cifar10,
)
