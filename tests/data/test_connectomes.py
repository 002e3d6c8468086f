"""The connectomes: the two files, the matrices that they stand for, and what is said where they are absent."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rmobench.data import SOURCES, load
from rmobench.data.connectomes import CORRELATIONS, KINDS, N_REGIONS, unfolded
from rmobench.errors import DataError, MissingDependencyError

PRESENT = pytest.mark.skipif(SOURCES["connectomes"].where() is None, reason="no connectomes on this machine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, empty, on a machine with an empty cache and no package index."""
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path


def test_a_row_is_the_upper_triangle() -> None:
    above = np.arange(2 * 378.0).reshape(2, 378)
    matrices = unfolded(above)
    assert matrices.shape == (2, N_REGIONS, N_REGIONS)
    assert np.array_equal(matrices, matrices.swapaxes(1, 2))
    assert (np.diagonal(matrices, axis1=1, axis2=2) == 1.0).all()
    assert matrices[1, 0, 1:].tolist() == list(range(378, 405))
    assert matrices[0, 26, 27] == 377.0


@PRESENT
def test_shapes_kinds_and_positive_definiteness() -> None:
    data = load("connectomes")
    assert data.inputs.shape == (86, 28, 28)
    assert np.bincount(data.labels).tolist() == [46, 40]
    spectra = np.linalg.eigvalsh(data.inputs)
    assert spectra.min() == pytest.approx(0.00226744, abs=1e-8)
    assert spectra.sum(axis=1) == pytest.approx(28.0)


@PRESENT
def test_provenance_names_both_files_and_nothing_was_imported() -> None:
    provenance = load("connectomes").provenance
    assert provenance.file == "train_FNC.csv,train_labels.csv"
    assert provenance.name == "connectomes"
    assert "geomstats" not in sys.modules


def test_one_of_two_files_is_not_enough(folder: Path) -> None:
    source = SOURCES["connectomes"]
    if source.where() is not None:
        pytest.skip("geomstats is installed: both files are there in any case")
    (folder / CORRELATIONS.file).write_text("Id,FNC1\n")
    assert source.where() is None
    (folder / KINDS.file).write_text("Id,Class\n")
    assert source.where() == folder / CORRELATIONS.file
    with pytest.raises(DataError, match=r"train_FNC\.csv: sha256 is [0-9a-f]{64}, expected 98a00234"):
        source.load()


def test_offline_the_command_is_named(folder: Path) -> None:
    source = SOURCES["connectomes"]
    if source.where() is not None:
        pytest.skip("geomstats is installed: both files are there in any case")
    with pytest.raises(
        MissingDependencyError, match=r"`rmobench data fetch connectomes` or .*pip install (--no-deps )?geomstats"
    ):
        source.load()
    with pytest.raises(MissingDependencyError, match=r"pip download --no-deps geomstats==2\.8\.0` failed: "):
        source.fetch()
