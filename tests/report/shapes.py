"""What the tests of JSON shapes share."""

from pathlib import Path

import msgspec

import rmobench.report

README = Path(rmobench.report.__file__).parent / "README.md"


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """No key more, none less."""


class Range(Strict):
    value: float | None
    low: float | None
    high: float | None
