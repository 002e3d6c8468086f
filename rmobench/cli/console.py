"""The terminal that commands print to."""

from __future__ import annotations

from typing import Any


def console(*, stderr: bool = False) -> Any:
    """Return a rich console; rich is imported only when something is printed by it."""
    from rich.console import Console

    return Console(stderr=stderr)
