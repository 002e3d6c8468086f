"""What the catalogue says of a source, and the user's own folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

USER_FOLDER = "RMOBENCH_DATA"
"""Environment variable: the user's own folder of data files, looked into before any other place."""

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Generic[T]):
    """One row of the catalogue: of images with labels, or of motions."""

    summary: str
    carrier: str  # the package that carries the data, or the folder that the user fills
    licence: str
    where: Callable[[], Path | None]  # the file or folder that `load` would read, None: not on this machine
    fetch: Callable[[], Path]  # get it if need be, verify it; the only one that may use the network
    load: Callable[[], T]
    variable: str | None = None  # environment variable that names the user's place of it; None: there is none


def user_place(name: str) -> Path | None:
    """Return the place of a file or folder in the user's folder, None if there is no such folder."""
    folder = os.environ.get(USER_FOLDER)
    return Path(folder).expanduser() / name if folder else None
