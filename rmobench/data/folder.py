"""Published files that a user, or the system's package manager, puts into one folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rmobench.data.provenance import Provenance
from rmobench.data.source import USER_FOLDER, user_place
from rmobench.errors import MissingDependencyError

GZIPPED = ".gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that holds all of some files, each as it is or gzipped."""

    name: str  # of the data
    folder: str  # its name inside the user's folder
    files: tuple[str, ...]  # in the order of reading, without .gz
    licence: str
    advice: str  # how to get the files, a sentence
    system: Path | None = None  # where a package manager puts them

    def where(self) -> Path | None:
        """Return the first folder that holds all the files: the user's, then the system's; None: none does."""
        places = (user_place(self.folder), self.system)
        return next((p for p in places if p is not None and all(_file(p, f) is not None for f in self.files)), None)

    def located(self) -> Path:
        """Return the folder.

        Raises:
            MissingDependencyError: No known place holds all the files.
        """
        place = self.where()
        if place is None:
            also = f", and not in {self.system}" if self.system is not None else ""
            raise MissingDependencyError(
                f"{self.name}: {', '.join(self.files)} (each as it is or {GZIPPED}) are not in the folder "
                f"{self.folder} inside the folder that {USER_FOLDER} names{also}. {self.advice}"
            )
        return place

    def read(self) -> tuple[Mapping[Path, bytes], Provenance]:
        """Return the files' bytes by their paths, in order, and their provenance.

        Raises:
            MissingDependencyError: No known place holds all the files.
        """
        place = self.located()
        contents = {path: path.read_bytes() for f in self.files if (path := _file(place, f)) is not None}
        digest = hashlib.sha256()
        for content in contents.values():
            digest.update(content)
        names = ",".join(path.name for path in contents)
        return contents, Provenance(
            name=self.name, package=None, version=None, file=names, sha256=digest.hexdigest(), licence=self.licence
        )


def _file(place: Path, name: str) -> Path | None:
    """Return a file's path as it is or gzipped, None if neither is there."""
    return next((path for path in (place / name, place / (name + GZIPPED)) if path.is_file()), None)
