"""Which numbers the rules' options may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from rmobench.errors import ArgumentError

SHARES = frozenset({"momentum", "beta", "beta1", "beta2", "safety"})
"""Options below 1; all others are only not negative."""


def check_options(owner: str, **options: object) -> None:
    """Raise ArgumentError unless every option is a finite number >= 0, and below 1 where it is a share.

    Args:
        owner: Who has the options, as the message begins.
        **options: By name.
    """
    for name, value in options.items():
        end = 1.0 if name in SHARES else math.inf
        if not isinstance(value, int | float) or not 0.0 <= value < end:
            expected = "a number in [0, 1)" if name in SHARES else "a finite number >= 0"
            raise ArgumentError(f"{owner}: got {name}={value!r}, expected {expected}.")


Result = TypeVar("Result")


def checked(owner: str, update: Callable[..., Result], **options: object) -> Callable[..., Result]:
    """Bind options to an update after `check_options`."""
    check_options(owner, **options)
    return partial(update, **options)
