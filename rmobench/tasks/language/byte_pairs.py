"""Texts cut into tokens by byte pairs, as SmolLM2 wants them."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping

ENDINGS = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
"""Endings of English words that stand alone."""

PIECES = re.compile(r" ?L+|N| ?O+|[ W]+(?![LO])|[ W]+")
"""Over kinds: letters or other marks with a space before, one digit, white space up to the last before a word."""


class BytePairs:
    """The tokens by number, and which two parts become one first.

    Source: Sennrich, Haddow, Birch 2016, ACL, arXiv 1508.07909; over bytes: Radford et al. 2019, sec. 2.2; digits stand
    alone: Ben Allal et al. 2025, arXiv 2502.02737.

    Args:
        tokens: By number, bytes written as the letters of `LETTERS`.
        merges: "left right", in the order of merging.
    """

    def __init__(self, tokens: tuple[str, ...], merges: tuple[str, ...]) -> None:
        self._numbers = {token: k for k, token in enumerate(tokens)}
        self._order = {tuple(pair.split(" ")): k for k, pair in enumerate(merges)}
        self._known: dict[str, list[int]] = {}

    def cut(self, text: str) -> list[int]:
        """Return the numbers of a text's tokens; words like <|im_end|> mean nothing special."""
        return [number for piece in _pieces(text) for number in self._piece(piece)]

    def _piece(self, piece: str) -> list[int]:
        if piece not in self._known:
            parts = [LETTERS[byte] for byte in piece.encode("utf-8")]
            while (best := self._first(parts)) is not None:
                parts[best : best + 2] = ["".join(parts[best : best + 2])]
            self._known[piece] = [self._numbers[part] for part in parts]
        return self._known[piece]

    def _first(self, parts: list[str]) -> int | None:
        """Return the place of the pair that becomes one next, the leftmost of its kind; None: none does."""
        last = len(self._order)
        order = [self._order.get(pair, last) for pair in itertools.pairwise(parts)]
        least = min(order, default=last)
        return order.index(least) if least < last else None


def _pieces(text: str) -> Iterator[str]:
    kinds = "".join(map(_kind, text))
    at = 0
    while at < len(text):
        found = ENDINGS.match(text, at) or PIECES.match(kinds, at)
        assert found is not None  # every kind begins a piece
        yield text[at : found.end()]
        at = found.end()


def _kind(character: str) -> str:
    if character == " " or character.isspace():
        return " " if character == " " else "W"
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"


def _letters() -> Mapping[int, str]:
    """Return a printable letter for each byte: itself where it is one, else one beyond 255, in order."""
    own = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = [byte for byte in range(256) if byte not in own]
    return {**{byte: chr(byte) for byte in own}, **{byte: chr(256 + k) for k, byte in enumerate(others)}}


LETTERS = _letters()
