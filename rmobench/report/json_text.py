"""Leaderboards, comparisons and precisions as JSON. The shapes are in this room's README; infinite and NaN are null."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rmobench.statistics import Change, Leaderboard, PrecisionBoard
from rmobench.types import Skip

SHAPE = 1
"""Version of the shapes; grows when a key is renamed or removed, not when one is added."""


def leaderboard(boards: Sequence[Leaderboard], skips: Sequence[Skip] = ()) -> str:
    """Write {"shape", "boards", "skips"}, indented, keys in the order of the fields."""
    return _text({"shape": SHAPE, "boards": list(boards), "skips": list(skips)})


def comparison(changes: Sequence[Change]) -> str:
    """Write {"shape", "worse", "changes"}; "worse" says whether the gate fails."""
    return _text({"shape": SHAPE, "worse": any(change.gates for change in changes), "changes": list(changes)})


def robustness(board: PrecisionBoard) -> str:
    """Write {"shape", "board"}, the board's keys in the order of its fields."""
    return _text({"shape": SHAPE, "board": board})


def _text(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
