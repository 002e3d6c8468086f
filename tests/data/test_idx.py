"""IDX files: what they hold, and what is not one."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from rmobench.data.idx import read_idx
from rmobench.errors import DataError
from tests.data.published import idx

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 4), dtype=np.uint8)
PLAIN, GZIPPED = Path("somewhere/images"), Path("somewhere/images.gz")


@pytest.mark.parametrize(
    ("path", "content"), [(PLAIN, idx(IMAGES)), (GZIPPED, gzip.compress(idx(IMAGES)))], ids=["plain", "gzipped"]
)
def test_what_was_written_is_read(path: Path, content: bytes) -> None:
    assert np.array_equal(read_idx(path, content, ndim=3), IMAGES)


def test_the_published_first_bytes() -> None:
    """Of MNIST's training labels: magic 2049, 60,000 items."""
    content = bytes.fromhex("00000801 0000ea60") + bytes(60_000)
    assert read_idx(PLAIN, content, ndim=1).shape == (60_000,)


WRONG = {
    "labels for images": (PLAIN, idx(IMAGES[0, 0]), r"begins with 00000801, expected 00000803: an IDX file"),
    "floats": (PLAIN, b"\0\0\x0d\x03" + idx(IMAGES)[4:], r"begins with 00000d03, expected 00000803"),
    "another format": (PLAIN, b"\x89PNG\r\n", r"begins with 89504e47, expected 00000803"),
    "empty": (PLAIN, b"", r"begins with , expected 00000803"),
    "half a header": (PLAIN, idx(IMAGES)[:10], r"got 10 bytes, expected 16 by its header\. Get the file again"),
    "too short": (PLAIN, idx(IMAGES)[:-1], r"got 75 bytes, expected 76 by its header\. Get the file again"),
    "too long": (PLAIN, idx(IMAGES) + b"\0", r"got 77 bytes, expected 76 by its header"),
    "not gzipped": (GZIPPED, idx(IMAGES), r"It is truncated or not gzipped; get the file again"),
    "truncated gzip": (GZIPPED, gzip.compress(idx(IMAGES))[:-9], r"It is truncated or not gzipped"),
    "damaged gzip": (GZIPPED, gzip.compress(idx(IMAGES))[:-8] + bytes(8), r"It is truncated or not gzipped"),
}


@pytest.mark.parametrize(("path", "content", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told(path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=rf"^somewhere/images(\.gz)?: .*{said}"):
        read_idx(path, content, ndim=3)
