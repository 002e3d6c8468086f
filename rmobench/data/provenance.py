"""Arrays and where they come from, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where data come from, down to the bytes."""

    name: str  # of the data
    package: str | None  # that carried the file; None: a folder of the user's or the system's
    version: str | None  # of the package
    file: str  # its name inside the package or the folder; several are joined by commas
    sha256: str  # of the file; of several, in their order one after the other
    licence: str  # of the data


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Inputs with labels, read-only, and their provenance."""

    inputs: NDArray[np.float64] | NDArray[np.uint8]  # [n, ...]; images as published are [n, channels, height, width]
    labels: NDArray[np.int64]  # [n]
    provenance: Provenance
    n_test: int = 0  # so many of the last rows are the test part; 0: there is none

    def __post_init__(self) -> None:
        _freeze(self.inputs)
        _freeze(self.labels)


def _freeze(array: NDArray[Any]) -> None:
    array.flags.writeable = False
