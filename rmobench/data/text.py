"""Texts, sentences with labels, and pretrained networks, each with its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmobench.data.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corpus:
    """Documents, as bytes by their names, in the order of publication."""

    documents: Mapping[str, bytes]
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sentences:
    """Short texts with labels, read-only."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]  # [n], 0 to n_kinds - 1
    provenance: Provenance
    seconds: tuple[str, ...] = ()  # of pairs; none: there are no pairs
    n_test: int = 0  # so many of the last ones are the test part; 0: there is none

    def __post_init__(self) -> None:
        self.labels.flags.writeable = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pretrained:
    """The parameters of a trained network by name, as published, and what its texts are cut into."""

    arrays: Mapping[str, NDArray[Any]]
    settings: Mapping[str, float]  # numbers that the parameters' shapes do not tell
    provenance: Provenance
    tokens: tuple[str, ...] = ()  # by number; none: bytes
    merges: tuple[str, ...] = ()  # of byte-pair encoding, "left right" in the order of merging

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
