"""Real data that anyone can get with a package manager: find, verify, load with provenance.

Every source looks into the folder named by the environment variable RMOBENCH_DATA first, then into the package that
carries the data. SOURCES is what `rmobench data list | fetch | where` offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rmobench.data import digits as _digits
from rmobench.data.provenance import Dataset, Provenance
from rmobench.data.source import USER_FOLDER, Source

SOURCES: Mapping[str, Source] = MappingProxyType({"digits": _digits.SOURCE})
"""The catalogue, by name."""

__all__ = ["SOURCES", "USER_FOLDER", "Dataset", "Provenance", "Source"]
