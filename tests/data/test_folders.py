"""Data sets that a user puts into a folder, made in their published layouts."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rmobench.data import SOURCES, cifar10, cifar100, fashion_mnist, load, mnist
from rmobench.data.idx import FILES, read_images
from rmobench.errors import DataError, MissingDependencyError, UnknownNameError
from tests.data.published import cifar_folder, idx, idx_folder, python2_pickle

IDX = {"mnist": mnist.FOLDER, "fashion_mnist": fashion_mnist.FOLDER}
CIFAR = {"cifar10": (cifar10.FOLDER, b"labels", 10), "cifar100": (cifar100.FOLDER, b"fine_labels", 100)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, empty."""
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", IDX)
@pytest.mark.parametrize("gzipped", [True, False])
def test_idx_folders(name: str, gzipped: bool, folder: Path) -> None:
    place = folder / IDX[name].folder
    idx_folder(place, n_train=30, n_test=20, gzipped=gzipped)
    data = load(name)
    assert data.inputs.shape == (50, 1, 12, 12)
    assert data.inputs.dtype == np.uint8
    assert data.n_test == 20
    assert np.array_equal(data.labels, [*(np.arange(30) % 10), *(np.arange(20) % 10)])
    assert SOURCES[name].where() == SOURCES[name].fetch() == place


def test_their_provenance_names_files_and_bytes(folder: Path) -> None:
    idx_folder(folder / "mnist")
    provenance = load("mnist").provenance
    files = [f"{name}.gz" for name in FILES]
    assert provenance.file == ",".join(files)
    content = b"".join((folder / "mnist" / name).read_bytes() for name in files)
    assert provenance.sha256 == hashlib.sha256(content).hexdigest()
    assert (provenance.package, provenance.version) == (None, None)


def test_the_users_folder_goes_before_the_systems(folder: Path, tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(fashion_mnist.FOLDER, system=tmp_path / "system")
    idx_folder(tmp_path / "system", n_train=10)
    assert elsewhere.where() == tmp_path / "system"
    assert len(read_images(elsewhere).labels) == 30
    idx_folder(folder / "fashion-mnist", n_train=20)
    assert elsewhere.where() == folder / "fashion-mnist"
    assert len(read_images(elsewhere).labels) == 40


@pytest.mark.parametrize("labels", [29, 31])
def test_labels_that_do_not_belong_to_the_images(folder: Path, labels: int) -> None:
    idx_folder(folder / "mnist", gzipped=False)
    (folder / "mnist" / FILES[1]).write_bytes(idx(np.zeros(labels, dtype=np.uint8)))
    with pytest.raises(
        DataError, match=rf"mnist: got images \[30, 12, 12\] with {labels} labels, expected a label for"
    ):
        load("mnist")


@pytest.mark.parametrize("name", CIFAR)
def test_cifar_folders(name: str, folder: Path) -> None:
    own, labels, kinds = CIFAR[name]
    cifar_folder(folder / own.folder, own.files, labels=labels, kinds=kinds, each=4)
    data = load(name)
    n = 4 * len(own.files)
    assert data.inputs.shape == (n, 3, 32, 32)
    assert data.n_test == 4
    assert np.array_equal(data.labels, np.arange(n) % kinds)
    with (folder / own.folder / own.files[-1]).open("rb") as file:
        last = pickle.load(file, encoding="bytes")
    assert np.array_equal(data.inputs[-1].ravel(), last[b"data"][-1])
    assert np.array_equal(data.inputs[-1, 0, 0], last[b"data"][-1, :32])  # the first row of red


def test_a_batch_that_could_run_code_is_refused(folder: Path) -> None:
    cifar_folder(folder / cifar10.FOLDER.folder, cifar10.FOLDER.files, labels=b"labels", kinds=10)
    (folder / cifar10.FOLDER.folder / "data_batch_3").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"data_batch_3: the pickle refers to posix\.system"):
        load("cifar10")


ROWS = np.zeros((2, 3072), dtype=np.uint8)
LAYOUTS = {
    "no dictionary": [1, 2],
    "no labels": {b"data": ROWS},
    "no data": {b"labels": [0, 1]},
    "labels of the other one": {b"data": ROWS, b"fine_labels": [0, 1]},
    "more labels": {b"data": ROWS, b"labels": [0, 1, 2]},
    "short rows": {b"data": ROWS[:, 1:], b"labels": [0, 1]},
    "floats": {b"data": ROWS.astype(np.float32), b"labels": [0, 1]},
    "labels that are texts": {b"data": ROWS, b"labels": [b"cat", b"dog"]},
}


@pytest.mark.parametrize("batch", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_another_layout_is_refused(batch: object, folder: Path) -> None:
    cifar_folder(folder / cifar10.FOLDER.folder, cifar10.FOLDER.files, labels=b"labels", kinds=10)
    python2_pickle(folder / cifar10.FOLDER.folder / "test_batch", batch)
    with pytest.raises(
        DataError, match=r"test_batch: expected b'data' with m rows of 3072 unsigned bytes and b'labels'"
    ):
        load("cifar10")


def drop_one(place: Path) -> None:
    next(iter(sorted(place.iterdir()))).unlink()


@pytest.mark.parametrize("spoil", [drop_one, None])
@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_a_missing_file_says_what_goes_where(name: str, spoil: Callable[[Path], None] | None, folder: Path) -> None:
    if spoil is not None:
        own = {**IDX, **{n: f for n, (f, _, _) in CIFAR.items()}}[name]
        (folder / own.folder).mkdir()
        for file in own.files:
            (folder / own.folder / file).touch()
        spoil(folder / own.folder)
    assert SOURCES[name].where() is None
    said = rf"^{name}: .* are not in the folder .* inside the folder that RMOBENCH_DATA names\. Put the .*published"
    with pytest.raises(MissingDependencyError, match=said):
        load(name)
    with pytest.raises(MissingDependencyError, match=said):
        SOURCES[name].fetch()


def test_missing_fashion_mnist_names_the_package(tmp_path: Path) -> None:
    absent = dataclasses.replace(fashion_mnist.FOLDER, system=tmp_path / "no-such-folder")
    with pytest.raises(
        MissingDependencyError, match=r"and not in .*no-such-folder\. Get them with `apt install dataset-"
    ):
        absent.read()


def test_a_damaged_file_is_told_by_its_path(folder: Path) -> None:
    idx_folder(folder / "mnist")
    images = folder / "mnist" / f"{FILES[2]}.gz"
    images.write_bytes(gzip.compress(b"\0\0\x08\x01" + bytes(8)))
    with pytest.raises(DataError, match=r"mnist/t10k-images-idx3-ubyte\.gz: begins with 00000801, expected 00000803"):
        load("mnist")


def test_a_name_that_is_no_source() -> None:
    with pytest.raises(UnknownNameError, match=r"no data source named 'mnist_5k'\. Did you mean 'mnist5k'"):
        load("mnist_5k")
