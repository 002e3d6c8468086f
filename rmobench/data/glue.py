"""Classified texts in the layout of GLUE: a folder of the user's with train.tsv and dev.tsv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rmobench.data.folder import Folder
from rmobench.data.source import Source
from rmobench.data.text import Sentences
from rmobench.errors import DataError

NAME = "glue"
TEXTS = (("sentence",), ("sentence1", "sentence2"), ("question", "sentence"), ("question1", "question2"))
"""Columns that hold the text, or both of a pair; the first of these that a file has counts."""
LABELS = ("label", "is_duplicate")
COLA = ("source", "label", "star", "sentence")
"""Columns of the one task whose files do not name them."""


def glue(folder: str = NAME) -> Sentences:
    """Return the texts of a task, those of dev.tsv last, as its test part; labels are numbered in their order.

    Source: Wang et al. 2019, ICLR, arXiv 1804.07461; the layout of its published archives.

    Args:
        folder: Inside the folder that RMOBENCH_DATA names.

    Raises:
        MissingDependencyError: There are no such files.
        DataError: A file lacks a column, or a row has another number of them.
    """
    contents, provenance = _folder(folder).read()
    train, test = (read_tsv(path, content) for path, content in contents.items())
    kinds = {kind: k for k, kind in enumerate(sorted({label for *_, label in train}))}
    if strange := {label for *_, label in test} - kinds.keys():
        raise DataError(f"{folder}/dev.tsv: labels {sorted(strange)} are not in train.tsv, which has {sorted(kinds)}.")
    rows = [*train, *test]
    return Sentences(
        texts=tuple(text for text, _, _ in rows),
        seconds=tuple(second for _, second, _ in rows) if rows[0][1] else (),
        labels=np.array([kinds[label] for *_, label in rows], dtype=np.int64),
        provenance=provenance,
        n_test=len(test),
    )


def read_tsv(path: Path, content: bytes) -> list[tuple[str, str, str]]:
    """Return the rows of a file: a text, the other of a pair or nothing, and the label.

    Raises:
        DataError: It lacks a column or a row, or a row has another number of columns.
    """
    lines = content.decode("utf-8").splitlines()
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    names: Sequence[str] = rows[0] if rows else ()
    if len(names) == len(COLA) and not set(names) & {*LABELS, "sentence"}:
        names = COLA
    else:
        rows = rows[1:]
    texts = next((columns for columns in TEXTS if set(columns) <= set(names)), None)
    label = next((name for name in LABELS if name in names), None)
    wrong = next((k for k, row in enumerate(rows, 2) if len(row) != len(names)), None)
    if texts is None or label is None or not rows or wrong is not None:
        got = f"line {wrong} of another length" if wrong is not None else f"{len(rows)} rows of {list(names)}"
        raise DataError(f"{path}: got {got}, expected columns with a label and a sentence or a pair, as GLUE has them.")
    at = {name: k for k, name in enumerate(names)}
    first, second = texts[0], texts[1] if len(texts) > 1 else None
    return [(row[at[first]], row[at[second]] if second else "", row[at[label]]) for row in rows]


def _folder(name: str) -> Folder:
    return Folder(
        name=NAME,
        folder=name,
        files=("train.tsv", "dev.tsv"),
        licence="the user's",
        advice="Put a task's published files there.",
    )


SOURCE = Source(
    summary="classified texts in the layout of GLUE, of your own choice",
    carrier=f"your folder {NAME}",
    licence="the user's",
    where=_folder(NAME).where,
    fetch=_folder(NAME).located,
    load=glue,
)
