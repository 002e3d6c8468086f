"""Tables of measurements: the same as their carrier loads."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from rmobench.data import SOURCES, load
from rmobench.errors import DataError


@pytest.fixture(autouse=True)
def no_user_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RMOBENCH_DATA", raising=False)


@pytest.mark.parametrize(
    ("name", "shape", "counts"), [("breast_cancer", (569, 30), [212, 357]), ("wine", (178, 13), [59, 71, 48])]
)
def test_same_as_its_carrier_loads(name: str, shape: tuple[int, int], counts: list[int]) -> None:
    data, theirs = load(name), getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")()
    assert data.inputs.shape == shape
    assert np.bincount(data.labels).tolist() == counts
    assert np.array_equal(data.inputs, theirs.data)
    assert np.array_equal(data.labels, theirs.target)
    assert (data.provenance.name, data.provenance.package) == (name, "scikit-learn")


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_another_file_is_refused(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    (tmp_path / SOURCES[name].fetch().name).write_text("1,2,a\n0.5,0.5,0\n")
    with pytest.raises(DataError, match=r"\.csv: sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}\. "):
        load(name)
