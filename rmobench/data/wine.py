"""Chemical analyses of wines, as scikit-learn carries them."""

from __future__ import annotations

from rmobench.data.carried import CarriedFile
from rmobench.data.provenance import Dataset
from rmobench.data.tables import read_table

FILE = CarriedFile(
    name="wine",
    package="scikit-learn",
    path="sklearn/datasets/data/wine_data.csv",
    sha256="10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede",
    licence="CC BY 4.0",
)


def wine() -> Dataset:
    """Return 13 measurements of each of 178 wines [178, 13], and which of three cultivars it is [178].

    Source: Aeberhard, Forina 1991, Wine, UCI repository.

    Raises:
        MissingDependencyError: scikit-learn does not carry the file and the user's folder has none.
        DataError: The file is not the expected one.
    """
    return read_table(FILE)


SOURCE = FILE.source("178 wines of three cultivars, 13 chemical measurements", wine)
