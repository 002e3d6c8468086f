"""Tables of measurements with a kind at the end of each row, as scikit-learn carries them."""

from __future__ import annotations

import io

import numpy as np

from rmobench.data.carried import CarriedFile
from rmobench.data.provenance import Dataset


def read_table(file: CarriedFile) -> Dataset:
    """Return the measurements [n, d] and the kinds [n] of a file.

    Its first line holds n, d and the names of the kinds; a line for each row follows, the kind's number at its end.

    Raises:
        MissingDependencyError: The file is in no known place.
        DataError: The file is not the expected one.
    """
    content, provenance = file.read()
    table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.float64, skiprows=1)
    return Dataset(inputs=table[:, :-1].copy(), labels=table[:, -1].astype(np.int64), provenance=provenance)
