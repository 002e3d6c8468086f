"""Real data that anyone can get with a package manager: find, verify, load with provenance.

Every source looks into the folder named by the environment variable RMOBENCH_DATA first, then where a package puts the
data, then into the user's cache. Loading never uses the network: `rmobench data fetch` does. SOURCES is what
`rmobench data list | fetch | where` offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rmobench.data import (
    breast_cancer,
    cifar10,
    cifar100,
    cmu,
    connectomes,
    deepmimic,
    digits,
    fashion_mnist,
    h36m,
    mnist,
    mnist5k,
    wine,
)
from rmobench.data.motion import Motion
from rmobench.data.provenance import Dataset, Provenance
from rmobench.data.source import USER_FOLDER, Source
from rmobench.errors import UnknownNameError

DATASETS: Mapping[str, Source[Dataset]] = MappingProxyType(
    {
        "digits": digits.SOURCE,
        "breast_cancer": breast_cancer.SOURCE,
        "wine": wine.SOURCE,
        "connectomes": connectomes.SOURCE,
        "mnist5k": mnist5k.SOURCE,
        "fashion_mnist": fashion_mnist.SOURCE,
        "mnist": mnist.SOURCE,
        "cifar10": cifar10.SOURCE,
        "cifar100": cifar100.SOURCE,
    }
)
"""Inputs with labels, by name."""

MOTIONS: Mapping[str, Source[Mapping[str, Motion]]] = MappingProxyType(
    {"deepmimic": deepmimic.SOURCE, "cmu": cmu.SOURCE}
)
"""People in motion, by name."""

SOURCES: Mapping[str, Source[object]] = MappingProxyType({**DATASETS, **MOTIONS, "h36m": h36m.SOURCE})
"""The catalogue, by name."""


def load(name: str) -> Dataset:
    """Load inputs with labels.

    Raises:
        UnknownNameError: No source of that name.
        MissingDependencyError: It is not on this machine.
        DataError: A file is not the one that was meant.
    """
    if name not in DATASETS:
        raise UnknownNameError("data source", name, DATASETS)
    return DATASETS[name].load()


__all__ = ["DATASETS", "MOTIONS", "SOURCES", "USER_FOLDER", "Dataset", "Motion", "Provenance", "Source", "load"]
