"""Dictionaries out of numpy's zip archives; nothing that an archive holds runs."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from rmobench.data.pickled import read_boxed
from rmobench.errors import DataError

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: Path, key: str) -> Any:
    """Return the dictionary that an archive holds under a key: `numpy.savez(path, key=dictionary)` wrote it.

    Source: numpy.lib.format, "Format Version 1.0"; objects follow the header as a pickle.

    Raises:
        DataError: It is damaged, has no such key or something else under it, or could run code.
    """
    member = f"{key}.npy"
    try:
        with ZipFile(path) as archive:
            if member not in archive.namelist():
                held = ", ".join(name.removesuffix(".npy") for name in archive.namelist()) or "nothing"
                raise DataError(f"{path}: holds {held}, expected {key}. Put the published file there.")
            file = BytesIO(archive.read(member))
        version = np.lib.format.read_magic(file)
        shape, _, dtype = HEADERS[version](file)
    # a damaged archive is told in many ways; NotImplementedError and RuntimeError: a compression or a password
    except (BadZipFile, EOFError, KeyError, OSError, RuntimeError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: {error or type(error).__name__}. It is damaged; get the file again.") from None
    if shape != () or dtype != np.dtype(object):
        raise DataError(
            f"{path}: {key} is an array of {dtype} with shape {list(shape)}, expected a dictionary. "
            "Put the published file there."
        )
    return read_boxed(path, file.read())
