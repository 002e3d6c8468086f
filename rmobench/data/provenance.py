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
    package: str | None  # that carried the file; None: the user's folder
    version: str | None  # of the package
    file: str  # its name inside the package or the folder
    sha256: str  # of the file
    licence: str  # of the data


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Inputs with labels, read-only, and their provenance."""

    inputs: NDArray[np.float64]  # [n, ...]
    labels: NDArray[np.int64]  # [n]
    provenance: Provenance

    def __post_init__(self) -> None:
        _freeze(self.inputs)
        _freeze(self.labels)


def _freeze(array: NDArray[Any]) -> None:
    array.flags.writeable = False
