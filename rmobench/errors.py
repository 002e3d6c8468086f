"""Everything rmobench raises on purpose.

RmobenchError
├── InputError               the user's input is wrong: printed without traceback, exit status 2
│   ├── UnknownNameError     no such task, optimizer, suite, precision, ...; suggests the nearest
│   ├── SelectorError        `name[param=value]` does not parse, or the parameter does not exist
│   ├── ArgumentError        a task or optimizer was built with a value it does not accept
│   ├── SuiteError           a suite's TOML is malformed or asks for the impossible
│   ├── MissingDependencyError   an optional package is not installed
│   ├── UnfitError           an optimizer cannot take a problem of this size: a skip
│   ├── WeightsError         a learned optimizer's weights are missing, damaged or of another architecture
│   ├── RecipeError          a meta-training recipe is malformed or trains on what it holds out
│   ├── DataError            a data file is not the one that was meant
│   └── StoreError           a store cannot be read
│       ├── CorruptRecordError   truncated, not JSON, or not a record
│       └── FutureSchemaError    written by a newer rmobench
└── ContractError            an optimizer or task broke the interface (changed a shape, removed a parameter)

Stop is not an error: the oracle raises it to end a trial, and only the driver catches it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RmobenchError(Exception):
    """Base of every error that rmobench raises on purpose."""


class InputError(RmobenchError):
    """The user's input is wrong; the message says what was got, what was expected, what to do."""


class UnknownNameError(InputError):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        listed = kind in ("task", "optimizer", "suite", "claim") and not name.startswith("@")
        where = f"`rmobench list {kind}s` shows all {len(known)}." if listed else f"There are {', '.join(known)}."
        super().__init__(f"no {kind} named {name!r}.{hint} {where}")
        self.near = tuple(near)


class SelectorError(InputError):
    """A selector that does not parse or names a parameter that does not exist."""


class ArgumentError(InputError):
    """A value that a task or an optimizer does not accept."""


class SuiteError(InputError):
    """A suite's TOML is malformed."""


class MissingDependencyError(InputError):
    """An optional package is not installed."""


class UnfitError(InputError):
    """An optimizer cannot take a problem of this size; the pair is skipped with this reason."""


class WeightsError(InputError):
    """Weights that are missing, damaged, or of another architecture."""


class RecipeError(InputError):
    """A meta-training recipe that is malformed or trains on what it holds out."""


class DataError(InputError):
    """A data file that is damaged or another than the one that was meant."""


class StoreError(InputError):
    """A store or one of its records cannot be read."""


class CorruptRecordError(StoreError):
    """A file that is truncated, is not JSON, or is not a record."""


class FutureSchemaError(StoreError):
    """A file written by a newer rmobench."""


class ContractError(RmobenchError):
    """An optimizer or a task broke the interface."""


class Stop(BaseException):
    """Raised by the oracle to end a trial; no Exception, so that no optimizer's `except Exception` swallows it."""
