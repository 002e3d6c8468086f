"""Records <-> files. A store is a folder; this room's README describes it.

Names are imported when they are first used: a worker that only writes records needs neither pyarrow nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmobench.store.merging import (
        Held,
        MergeReport,
        compact,
        export_parquet,
        merge,
        records,
        statuses,
    )
    from rmobench.store.record_files import prepare, read, write
    from rmobench.store.table import load

__all__ = [
    "Held",
    "MergeReport",
    "compact",
    "export_parquet",
    "load",
    "merge",
    "prepare",
    "read",
    "records",
    "statuses",
    "write",
]

_FILE = {"load": "table", "prepare": "record_files", "read": "record_files", "write": "record_files"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FILE.get(name, 'merging')}"), name)
