"""What several commands take: their options, and the check of `--out`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rmobench.errors import InputError

STORE = Path("results/records")
REFERENCE = Path("results/reference")

Device = Literal["cpu", "cuda"]
Axis = Literal["step", "n_grad", "time_s"]

StoreOption = Annotated[Path, typer.Option("--store", help="Folder of records, or a Parquet file for reading.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; shapes are in rmobench/report/README.md.")]
AxisOption = Annotated[Axis, typer.Option(help="What is counted: iterates, oracle calls, seconds.")]


def check_writable(path: Path, suffix: str) -> None:
    """Refuse an output file before the work: another suffix, a folder, or a folder that does not exist."""
    if path.suffix != suffix or path.is_dir() or not path.parent.is_dir():
        raise InputError(f"got --out {path}, expected a {suffix} file in a folder that exists.")
