"""Pickles of arrays and plain containers are read; everything else is refused and never runs."""

from __future__ import annotations

import io
import pickle
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from rmobench.data.pickled import read_boxed, read_pickle
from rmobench.errors import DataError
from tests.data.published import Python2Pickler

PATH = Path("somewhere/batch")

ARRAYS = {
    "bytes": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "by columns": np.asfortranarray(np.arange(12, dtype=np.int32).reshape(3, 4)),
    "big-endian": np.arange(5, dtype=">f8"),
    "half": np.linspace(0.0, 1.0, 5).astype(np.float16),
    "booleans": np.array([True, False]),
    "empty": np.empty((0, 3), dtype=np.float32),
}


def packed(value: object) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_come_back(array: np.ndarray) -> None:
    (found,) = read_pickle(PATH, packed([array]))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_plain_containers_come_back() -> None:
    value = {b"a": [1, 2.5, None, True], b"b": (b"text", {b"c": ARRAYS["bytes"]})}
    found = read_pickle(PATH, packed(value))
    assert found[b"a"] == value[b"a"]
    assert found[b"b"][0] == b"text"
    assert np.array_equal(found[b"b"][1][b"c"], ARRAYS["bytes"])


def test_numpys_own_reading_agrees() -> None:
    content = packed([ARRAYS["big-endian"]])
    (theirs,) = pickle.loads(content, encoding="bytes")
    (ours,) = read_pickle(PATH, content)
    assert np.array_equal(ours, theirs)


class Runs:
    """Runs a call when it is unpickled."""

    def __init__(self, call: object, *args: object) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call, self.args


def touch(path: str) -> None:
    Path(path).touch()


REFUSED = {
    "__builtin__.print": pickle.dumps(Runs(print, "hello"), protocol=2),
    "posix.system": b"cposix\nsystem\n(S'true'\ntR.",
    "collections.OrderedDict": pickle.dumps(OrderedDict(a=1)),
    "_codecs.encode": pickle.dumps(b"bytes of python 3", protocol=2),
    "numpy.core.multiarray.scalar": b"cnumpy.core.multiarray\nscalar\n.",
    "an array of object": packed([ARRAYS["bytes"]]).replace(b"u1", b"O8"),
    "a value of type frozenset": pickle.dumps(frozenset({1})),
}


@pytest.mark.parametrize(("what", "content"), REFUSED.items(), ids=REFUSED.keys())
def test_everything_else_is_refused(what: str, content: bytes) -> None:
    with pytest.raises(DataError, match=rf"batch: the pickle refers to {re.escape(what)}, expected numeric arrays"):
        read_pickle(PATH, content)


def test_a_hostile_pickle_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    content = pickle.dumps(Runs(touch, str(mark)))
    pickle.loads(content)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(DataError, match=r"refers to .*touch, expected numeric arrays and plain containers alone"):
        read_pickle(PATH, content)
    assert not mark.exists()


DAMAGED = {
    "empty": b"",
    "truncated": packed([ARRAYS["bytes"]])[:-20],
    "no pickle": b"\x1f\x8b\x08 gzip",
    "endless": b"(lp0\nh\x00a.",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_told(content: bytes) -> None:
    with pytest.raises(DataError, match=r"batch: \w+: .* The pickle is damaged; get the published file again\."):
        read_pickle(PATH, content)


def test_parts_that_are_shared_many_levels_deep_are_walked_once() -> None:
    """Ten references to ten references ..., twenty deep: 10^20 leaves in a kilobyte."""
    nested: list[object] = []
    for _ in range(20):
        nested = [nested] * 10
    found = read_pickle(PATH, packed(nested))
    for _ in range(20):
        assert len(found) == 10
        found = found[0]
    assert found == []


def test_state_cannot_be_put_on_the_stand_ins() -> None:
    """BUILD on a class would set its attributes for all later pickles."""
    hostile = b"cnumpy\ndtype\n}(U\x05dtypeK\x01ub."
    with pytest.raises(DataError, match="damaged"):
        read_pickle(PATH, hostile)
    (found,) = read_pickle(PATH, packed([ARRAYS["bytes"]]))
    assert np.array_equal(found, ARRAYS["bytes"])


def test_a_box_holds_a_dictionary_and_boxes_in_it() -> None:
    """As numpy saves a dictionary: an array of objects without axes."""
    inner = np.array({"frames": ARRAYS["bytes"]}, dtype=object)
    content = pickle.dumps(np.array({"S1": {"Walking": inner, "n": 3}}, dtype=object), protocol=4)
    found = read_boxed(PATH, content)
    assert found["S1"]["n"] == 3
    assert np.array_equal(found["S1"]["Walking"]["frames"], ARRAYS["bytes"])
    with pytest.raises(DataError, match=r"refers to an array of object, expected numeric arrays"):
        read_pickle(PATH, content)


def objects(array: object) -> bytes:
    return pickle.dumps(np.array(array, dtype=object), protocol=4)


BOXES = {
    "with axes": (objects([1, "a"]), r"refers to an array of object with axes, expected numeric arrays"),
    "bytes for pointers": (objects({}).replace(b"]\x94}\x94a", b"C\x08abcdefgh"), r"The pickle is damaged"),
    "in itself": (
        b"cnumpy\nndarray\n)\x81q\0(K\1)cnumpy\ndtype\nX\2\0\0\0O8\x85R\x89]h\0atb.",
        r"The pickle is damaged",
    ),
    "code": (objects({"a": Runs(print, "hello")}), r"refers to builtins\.print"),
}


@pytest.mark.parametrize(("content", "said"), BOXES.values(), ids=BOXES.keys())
def test_other_boxes_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_boxed(PATH, content)
