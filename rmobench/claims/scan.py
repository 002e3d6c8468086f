"""Names -> claims. The registry is the file system: file stem == CLAIM.name."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from rmobench.claims.claim import Claim
from rmobench.errors import UnknownNameError

PUBLISHED = Path(__file__).parent / "published"


@cache
def claims() -> tuple[str, ...]:
    """Return the name of every claim, without importing any."""
    return tuple(sorted(path.stem for path in PUBLISHED.glob("*.py") if path.stem != "__init__"))


def choose_claims(name: str | None = None) -> tuple[Claim, ...]:
    """Import one claim, or with None all of them.

    Raises:
        UnknownNameError: No claim of that name.
    """
    if name is not None and name not in claims():
        raise UnknownNameError("claim", name, claims())
    return tuple(_load(stem) for stem in claims() if name in (None, stem))


def _load(stem: str) -> Claim:
    claim: Claim = importlib.import_module(f"rmobench.claims.published.{stem}").CLAIM
    return claim
