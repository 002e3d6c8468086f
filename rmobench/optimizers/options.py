"""Which numbers the options of optimizers may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from rmobench.errors import ArgumentError

SHARES = frozenset({"momentum", "momentum_cov", "beta", "beta1", "beta2", "safety"})
"""Options below 1."""

WEIGHTS = frozenset({"lr_cov"})
"""Options of at most 1."""

COUNTS = frozenset({"n_iterations", "n_dual", "rank"})
"""Options that say how often something is done: whole, and at least 1. All others are only not negative."""


def check_options(owner: str, **options: object) -> None:
    """Raise ArgumentError unless every option is a finite number >= 0; shares below 1, weights at most 1, counts whole.

    Args:
        owner: Who has the options, as the message begins.
        **options: By name.
    """
    for name, value in options.items():
        kind = int if name in COUNTS else int | float
        first, end = (1 if name in COUNTS else 0), (1.0 if name in SHARES else math.inf)
        number = value if isinstance(value, kind) and not isinstance(value, bool) else math.nan
        if not first <= number < end or (name in WEIGHTS and number > 1.0):
            raise ArgumentError(f"{owner}: got {name}={value!r}, expected {_expected(name)}.")


def _expected(name: str) -> str:
    if name in COUNTS:
        return "a whole number >= 1"
    if name in WEIGHTS:
        return "a number in [0, 1]"
    return "a number in [0, 1)" if name in SHARES else "a finite number >= 0"


def check_period(owner: str, period: object) -> None:
    """Raise ArgumentError unless a period is a whole number of steps, at least one."""
    if isinstance(period, bool) or not isinstance(period, int) or period < 1:
        raise ArgumentError(f"{owner}: got period={period!r}, expected a whole number of steps, 1 or more.")


def check_switch(owner: str, **options: object) -> None:
    """Raise ArgumentError unless every option is true or false."""
    for name, value in options.items():
        if not isinstance(value, bool):
            raise ArgumentError(f"{owner}: got {name}={value!r}, expected True or False.")


Result = TypeVar("Result")


def checked(owner: str, update: Callable[..., Result], **options: object) -> Callable[..., Result]:
    """Bind options to an update after `check_options`."""
    check_options(owner, **options)
    return partial(update, **options)
