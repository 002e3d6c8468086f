"""Read pickles of numpy arrays and plain containers, and nothing else: no foreign code runs.

Admitting numpy's own reconstruction is not enough: the state of a dtype can hold flags under which the bytes of an
array are taken for pointers. So the three names that a pickled array refers to stand for values of this file.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rmobench.errors import DataError

KINDS = "buif"
"""Entries of admitted arrays: booleans, integers, unsigned integers, floats."""

OBJECT = "O"


def read_pickle(path: Path, content: bytes) -> Any:
    """Return what a pickle holds: dictionaries, lists, tuples, numbers, texts, bytes and numeric arrays.

    Texts of Python 2 come as bytes, as with `pickle.load(file, encoding="bytes")`.

    Args:
        path: Where the content comes from, for the messages.
        content: The pickle.

    Raises:
        DataError: It is damaged, or refers to anything else.
    """
    return _read(path, _Unpickler(BytesIO(content), encoding="bytes"))


def read_boxed(path: Path, content: bytes) -> Any:
    """Return the one object that a pickled array without axes holds; numpy saves a dictionary in such a box.

    Boxes inside it are opened too; otherwise as `read_pickle`.

    Args:
        path: Where the content comes from, for the messages.
        content: The pickle.

    Raises:
        DataError: It is damaged, or refers to anything else.
    """
    return _read(path, _BoxUnpickler(BytesIO(content), encoding="bytes"))


def _read(path: Path, unpickler: pickle.Unpickler) -> Any:
    try:
        return _with_arrays(unpickler.load())
    except _RefusedError as error:
        raise DataError(
            f"{path}: the pickle refers to {error}, expected numeric arrays and plain containers alone. It could run "
            "code; remove the file and get the published one."
        ) from None
    # a damaged pickle may raise nearly anything
    except Exception as error:
        raise DataError(
            f"{path}: {type(error).__name__}: {error}. The pickle is damaged; get the published file again."
        ) from None


class _RefusedError(Exception):
    """The pickle refers to something that is not admitted."""


class _DType:
    """Stands for numpy.dtype: the code, and the byte order out of the state."""

    __slots__ = ("dtype",)
    kinds: ClassVar[str] = KINDS

    def __init__(self, code: str | bytes, align: object = False, copy: object = False) -> None:
        dtype = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
        if dtype.kind not in self.kinds:
            raise _RefusedError(f"an array of {dtype}")
        self.dtype = dtype

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order: Any = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        self.dtype = self.dtype.newbyteorder(order)


class _BoxDType(_DType):
    """The same, objects admitted."""

    __slots__ = ()
    kinds: ClassVar[str] = KINDS + OBJECT


class _Array:
    """Stands for numpy.ndarray and its reconstruction: the array is made of shape, dtype and bytes in the state."""

    __slots__ = ("value",)

    def __init__(self, *placeholder: object) -> None:
        self.value: Any = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, by_columns, content = state
        if dtype.dtype.kind == OBJECT:
            if shape != ():
                raise _RefusedError(f"an array of {dtype.dtype} with axes")
            (self.value,) = content  # a list, which holds other stand-ins
            return
        self.value = np.frombuffer(content, dtype=dtype.dtype).reshape(shape, order="F" if by_columns else "C")


class _Unpickler(pickle.Unpickler):
    """Resolve the names of pickled arrays to their stand-ins and refuse all others."""

    dtype: ClassVar[type[_DType]] = _DType

    def find_class(self, module: str, name: str) -> type:
        """Return the stand-in."""
        match module, name:
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") | ("numpy", "ndarray"):
                return _Array
            case "numpy", "dtype":
                return self.dtype
        raise _RefusedError(f"{module}.{name}")


class _BoxUnpickler(_Unpickler):
    """The same, arrays without axes that hold an object admitted."""

    dtype: ClassVar[type[_DType]] = _BoxDType


def _with_arrays(value: Any, known: dict[int, Any] | None = None) -> Any:
    """Replace the stand-ins inside containers by their arrays.

    Each container is walked once: a few hundred bytes can hold containers that share their parts many levels deep.
    """
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = _replaced(value, known)
    return known[id(value)]


def _replaced(value: Any, known: dict[int, Any]) -> Any:
    match value:
        case _Array(value=np.ndarray()):
            return value.value
        case _Array():
            return _with_arrays(value.value, known)
        case dict():
            return {_with_arrays(key, known): _with_arrays(item, known) for key, item in value.items()}
        case list():
            return [_with_arrays(item, known) for item in value]
        case tuple():
            return tuple(_with_arrays(item, known) for item in value)
        case bool() | int() | float() | str() | bytes() | None:
            return value
    raise _RefusedError(f"a value of type {type(value).__name__}")
