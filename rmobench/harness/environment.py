"""Where a record was measured. Host names and user names stay out of it."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from rmobench import __version__
from rmobench.types import Environment


@cache
def environment(*, device: str = "cpu", threads: int = 1, jobs: int = 1) -> Environment:
    """Describe this machine and this checkout; asked once per process."""
    processor = _processor()
    commit, commit_at = _commit()
    gpu, driver, cuda = _gpu() if device == "cuda" else (None, None, None)
    return Environment(
        machine=f"{processor}, {os.cpu_count()} cores",
        device=gpu or "cpu",
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=_version("torch"),
        numpy=_version("numpy"),
        rmobench=__version__,
        commit=commit,
        commit_at=commit_at,
        threads=threads,
        jobs=jobs,
        cuda=cuda,
        driver=driver,
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    """Return the installed version without importing the package (torch takes seconds)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _commit() -> tuple[str | None, float | None]:
    """Return the package's own commit and its date; "-dirty" marks a checkout whose code was edited since."""
    package = Path(__file__).parent.parent
    if not (package.parent / ".git").exists():
        return None, None
    shown = _git(package, "show", "--no-patch", "--format=%H %ct", "HEAD")
    if shown is None:
        return None, None
    commit, date = shown.split()
    dirty = _git(package, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    return commit + ("-dirty" if dirty else ""), float(date)


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _gpu() -> tuple[str | None, str | None, str | None]:
    import torch

    if not torch.cuda.is_available():
        return None, None, None
    driver = Path("/proc/driver/nvidia/version")
    words = driver.read_text(encoding="utf-8").split() if driver.exists() else []
    number = next((w for w in words if w[0].isdigit() and w.count(".") >= 1), None)
    return torch.cuda.get_device_name(), number, torch.version.cuda
