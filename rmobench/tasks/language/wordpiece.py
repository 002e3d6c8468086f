"""Texts cut into word pieces, as BERT's uncased vocabularies want them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

START, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
INSIDE = "##"
LONGEST = 100
"""Characters of a word that is still looked up."""


def word_pieces(text: str, numbers: Mapping[str, int], *, most: int) -> list[int]:
    """Return the numbers of a text's pieces between those of a start and an end, at most so many together.

    Letters are made small and lose their accents, punctuation and Chinese characters are words of their own, and a word
    is cut from the left into the longest pieces that there are.
    Source: Devlin et al. 2019, NAACL, arXiv 1810.04805; Wu et al. 2016, arXiv 1609.08144, sec. 4.1.

    Args:
        text: Any.
        numbers: Of the pieces; those inside a word begin with "##".
        most: Numbers to return at most; what is beyond is cut off.
    """
    pieces = [number for word in _words(text) for number in _cut(word, numbers)]
    return [numbers[START], *pieces[: most - 2], numbers[END]]


def _words(text: str) -> Iterator[str]:
    plain = text if text.isascii() and text.isprintable() else "".join(_cleaned(text))
    for between_spaces in plain.split():
        yield from _parts(between_spaces)


@cache
def _parts(text: str) -> tuple[str, ...]:
    """Return the words in a text without spaces; from memory from the second time on."""
    words, word = [], ""
    for character in unicodedata.normalize("NFD", text.lower()):
        if unicodedata.category(character) == "Mn":
            continue
        if _is_punctuation(character) or _is_chinese(character):
            words += [word, character]
            word = ""
        else:
            word += character
    return tuple(part for part in (*words, word) if part)


def _cut(word: str, numbers: Mapping[str, int]) -> list[int]:
    if len(word) > LONGEST:
        return [numbers[UNKNOWN]]
    found, begin = [], 0
    while begin < len(word):
        mark = INSIDE if begin else ""
        ends = range(len(word), begin, -1)
        end = next((end for end in ends if mark + word[begin:end] in numbers), None)
        if end is None:
            return [numbers[UNKNOWN]]
        found.append(numbers[mark + word[begin:end]])
        begin = end
    return found


def _cleaned(text: str) -> Iterator[str]:
    """Yield the characters without controls, every white space as a space."""
    for character in text:
        if character in "\t\n\r" or unicodedata.category(character) == "Zs":
            yield " "
        elif character not in "\0\ufffd" and not unicodedata.category(character).startswith("C"):
            yield character


def _is_punctuation(character: str) -> bool:
    """Tell whether it is punctuation; all of ASCII that is no letter, digit or space counts."""
    ascii_mark = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return ascii_mark or unicodedata.category(character).startswith("P")


def _is_chinese(character: str) -> bool:
    return character >= "\u3400" and any(low <= ord(character) <= high for low, high in CHINESE)


CHINESE = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
"""Blocks of Unicode that hold them."""
