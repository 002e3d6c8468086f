"""A check of the contract, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from rmobench.errors import ContractError, InputError

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[Subject]):
    """One thing that the contract asks for."""

    states: str  # as a sentence
    advice: str  # what to do where it does not hold
    run: Callable[[Subject], str | None]  # raises ContractError where it does not hold; returns what there is to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one check on one subject."""

    states: str
    on: str  # the subject
    holds: bool
    said: str  # what was seen; empty: nothing to say
    advice: str  # empty where it holds
    seconds: float


def examine(checks: Sequence[Check[Subject]], subject: Subject, *, on: str) -> Iterator[Finding]:
    """Run checks one after the other; an exception of the subject's own is a breach like any other.

    Args:
        checks: Of the contract.
        subject: What they are about.
        on: How the subject is called.

    Raises:
        InputError: The subject refuses what it was asked for, e.g. for a missing package.
    """
    for check in checks:
        began = perf_counter()
        try:
            said, holds = check.run(subject) or "", True
        except ContractError as breach:
            said, holds = str(breach), False
        except InputError:
            raise
        except Exception as error:  # a stranger's code may raise anything
            said, holds = f"{type(error).__name__}: {error}", False
        yield Finding(
            states=check.states,
            on=on,
            holds=holds,
            said=said,
            advice="" if holds else check.advice,
            seconds=perf_counter() - began,
        )
