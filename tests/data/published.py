"""Write small files in the layouts that data sets were published in."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np

from rmobench.data.idx import FILES


def idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file of unsigned bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 0x08, array.ndim, *array.shape) + array.tobytes()


def idx_folder(folder: Path, *, n_train: int = 30, n_test: int = 20, side: int = 12, gzipped: bool = True) -> None:
    """Fill a folder with the four IDX files: random images, kinds 0 to 9 in turn."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for n, (images, labels) in ((n_train, FILES[:2]), (n_test, FILES[2:])):
        kinds = (np.arange(n) % 10).astype(np.uint8)
        for name, array in ((images, random.integers(0, 256, (n, side, side), dtype=np.uint8)), (labels, kinds)):
            if gzipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))


class Python2Pickler(pickle._Pickler):
    """Pickles bytes as Python 2 did its texts, and arrays under the names that they had then."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = save_bytes

    def save_global(self, value: object, name: str | None = None) -> None:
        module = "numpy.core.multiarray" if value is np.zeros(1).__reduce__()[0] else value.__module__
        self.write(pickle.GLOBAL + f"{module}\n{value.__qualname__}\n".encode())
        self.memoize(value)

    dispatch[type] = save_global
    dispatch[type(np.zeros(1).__reduce__()[0])] = save_global


def python2_pickle(path: Path, value: object) -> None:
    """Write a pickle as Python 2 did, protocol 2."""
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(value)


def cifar_folder(folder: Path, files: tuple[str, ...], *, labels: bytes, kinds: int, each: int = 4) -> None:
    """Fill a folder with batches of random images and labels in turn."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i, name in enumerate(files):
        batch = {
            b"batch_label": b"batch of a test",
            b"data": random.integers(0, 256, (each, 3072), dtype=np.uint8),
            labels: [(each * i + k) % kinds for k in range(each)],
            b"filenames": [b"a.png"] * each,
        }
        python2_pickle(folder / name, batch)
