"""Cell nuclei of breast tumours, as scikit-learn carries them."""

from __future__ import annotations

from rmobench.data.carried import CarriedFile
from rmobench.data.provenance import Dataset
from rmobench.data.tables import read_table

FILE = CarriedFile(
    name="breast_cancer",
    package="scikit-learn",
    path="sklearn/datasets/data/breast_cancer.csv",
    sha256="fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",
    licence="CC BY 4.0",
)


def breast_cancer() -> Dataset:
    """Return 30 measurements of the nuclei in each of 569 images [569, 30], and 0 malignant or 1 benign [569].

    Source: Wolberg, Mangasarian, Street, Street 1995, Breast Cancer Wisconsin (Diagnostic), UCI repository.

    Raises:
        MissingDependencyError: scikit-learn does not carry the file and the user's folder has none.
        DataError: The file is not the expected one.
    """
    return read_table(FILE)


SOURCE = FILE.source("569 breast tumours, 30 measurements of their cell nuclei", breast_cancer)
