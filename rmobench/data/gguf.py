"""Files of parameters in the format GGUF, version 3: its notes, and its arrays in float32."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmobench.errors import DataError

MAGIC, VERSION = b"GGUF", 3
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Types of numbers, by what struct calls them."""
TEXT, LIST = 8, 9
ALIGNMENT = 32

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gguf:
    """What a file holds."""

    notes: Mapping[str, Any]
    arrays: Mapping[str, Array]


def read_gguf(path: Path, content: bytes) -> Gguf:
    """Return the notes and the arrays of a file, little-endian; what is quantized is multiplied out.

    Source: ggml's docs/gguf.md and ggml-common.h (the blocks).

    Args:
        path: Where the content comes from, for the messages.
        content: Of the file.

    Raises:
        DataError: It is damaged, of another version, or quantized in another way.
    """
    reader = _Reader(content)
    try:
        if (magic := reader.take(4)) != MAGIC or (version := reader.number("I")) != VERSION:
            raise ValueError(f"begins with {magic!r}" if magic != MAGIC else f"is of version {version}")
        n_arrays, n_notes = reader.number("Q"), reader.number("Q")
        notes = {reader.text(): reader.value(reader.number("I")) for _ in range(n_notes)}
        infos = [reader.info() for _ in range(n_arrays)]
        begin = -(-reader.at // ALIGNMENT) * ALIGNMENT
        arrays = {name: _array(content, begin + offset, shape, kind) for name, shape, kind, offset in infos}
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; expected a GGUF file, version 3, of float32, Q4_1 and Q8_0.") from None
    return Gguf(MappingProxyType(notes), MappingProxyType(arrays))


@dataclass(slots=True)
class _Reader:
    """A place in the content."""

    content: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        if n > len(self.content) - self.at:
            raise ValueError(f"ends before byte {self.at + n}")
        self.at += n
        return self.content[self.at - n : self.at]

    def number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def text(self) -> str:
        return self.take(self.number("Q")).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, n = self.number("I"), self.number("Q")
            return tuple(self.value(inner) for _ in range(n))
        if kind not in NUMBERS:
            raise ValueError(f"has a note of type {kind}")
        return self.number(NUMBERS[kind])

    def info(self) -> tuple[str, tuple[int, ...], int, int]:
        """Return an array's name, its shape with the rows first, its kind, and where it begins."""
        name = self.text()
        shape = tuple(self.number("Q") for _ in range(self.number("I")))[::-1]
        return name, shape, self.number("I"), self.number("Q")


def _array(content: bytes, begin: int, shape: tuple[int, ...], kind: int) -> Array:
    if kind not in BLOCKS:
        raise ValueError(f"has an array of kind {kind}")
    block, length, multiply = BLOCKS[kind]
    if math.prod(shape) % length:
        raise ValueError(f"has an array {list(shape)} in blocks of {length}")
    blocks = np.frombuffer(content, dtype=block, count=math.prod(shape) // length, offset=begin)
    return multiply(blocks).reshape(shape)


def _q4_1(blocks: NDArray[Any]) -> Array:
    """Return q d + m; a byte holds an entry of the block's first half below and one of its second half above."""
    q = np.concatenate([blocks["q"] & 0x0F, blocks["q"] >> 4], axis=1).astype(np.float32)
    return q * blocks["d"].astype(np.float32)[:, None] + blocks["m"].astype(np.float32)[:, None]


def _q8_0(blocks: NDArray[Any]) -> Array:
    """Return q d."""
    return blocks["q"].astype(np.float32) * blocks["d"].astype(np.float32)[:, None]


BLOCKS: Mapping[int, tuple[np.dtype[Any], int, Callable[[NDArray[Any]], Array]]] = MappingProxyType(
    {
        0: (np.dtype("<f4"), 1, lambda blocks: blocks.astype(np.float32)),
        3: (np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)]), 32, _q4_1),
        8: (np.dtype([("d", "<f2"), ("q", "i1", 32)]), 32, _q8_0),
    }
)
"""By kind: a block's layout, its number of entries, and how they are multiplied out."""
