"""rmobench: who reaches the target first, in steps, gradients, seconds and bytes.

`load(store)` gives the records as a table; `optimizer` and `task` register your own. Importing the package is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmobench.registry import optimizer, task

if TYPE_CHECKING:
    from rmobench.store import load

__version__ = "0.1.0"

__all__ = ["__version__", "load", "optimizer", "task"]


def __getattr__(name: str) -> Any:
    if name == "load":  # pandas takes half a second to import
        from rmobench.store import load

        return load
    raise AttributeError(f"module 'rmobench' has no attribute {name!r}")
