"""Real data that anyone can get with a package manager: find, verify, load with provenance.

Every source looks into the folder named by the environment variable RMOBENCH_DATA first, then where a package puts the
data, then into the user's cache. Loading never uses the network: `rmobench data fetch` does. SOURCES is what
`rmobench data list | fetch | where` offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from rmobench.data import (
    breast_cancer,
    brown,
    byte_gpt,
    cifar10,
    cifar100,
    cmu,
    connectomes,
    deepmimic,
    digits,
    fashion_mnist,
    glue,
    h36m,
    language_model,
    minilm,
    mnist,
    mnist5k,
    movie_reviews,
    shakespeare,
    smollm2,
    wine,
)
from rmobench.data.motion import Motion
from rmobench.data.provenance import Dataset, Provenance
from rmobench.data.source import USER_FOLDER, Source
from rmobench.data.text import Corpus, Pretrained, Sentences
from rmobench.errors import UnknownNameError

T = TypeVar("T")

DATASETS: Mapping[str, Source[Dataset]] = MappingProxyType(
    {
        "digits": digits.SOURCE,
        "breast_cancer": breast_cancer.SOURCE,
        "wine": wine.SOURCE,
        "connectomes": connectomes.SOURCE,
        "mnist5k": mnist5k.SOURCE,
        "fashion_mnist": fashion_mnist.SOURCE,
        "mnist": mnist.SOURCE,
        "cifar10": cifar10.SOURCE,
        "cifar100": cifar100.SOURCE,
    }
)
"""Inputs with labels, by name."""

MOTIONS: Mapping[str, Source[Mapping[str, Motion]]] = MappingProxyType(
    {"deepmimic": deepmimic.SOURCE, "cmu": cmu.SOURCE}
)
"""People in motion, by name."""

CORPORA: Mapping[str, Source[Corpus]] = MappingProxyType({"shakespeare": shakespeare.SOURCE, "brown": brown.SOURCE})
"""Running text, by name."""

SENTENCES: Mapping[str, Source[Sentences]] = MappingProxyType(
    {"movie_reviews": movie_reviews.SOURCE, "glue": glue.SOURCE}
)
"""Short texts with labels, by name."""

PRETRAINED: Mapping[str, Source[Pretrained]] = MappingProxyType(
    {"byte_gpt": byte_gpt.SOURCE, "minilm": minilm.SOURCE, "smollm2": smollm2.SOURCE}
)
"""Trained networks, by name."""

SOURCES: Mapping[str, Source[object]] = MappingProxyType(
    {
        **DATASETS,
        **MOTIONS,
        "h36m": h36m.SOURCE,
        **CORPORA,
        **SENTENCES,
        **PRETRAINED,
        "language_model": language_model.SOURCE,
    }
)
"""The catalogue, by name."""


def load(name: str) -> Dataset:
    """Load inputs with labels.

    Raises:
        UnknownNameError: No source of that name.
        MissingDependencyError: It is not on this machine.
        DataError: A file is not the one that was meant.
    """
    return _loaded("data source", name, DATASETS)


def corpus(name: str) -> Corpus:
    """Load running text; as `load`."""
    return _loaded("text", name, CORPORA)


def sentences(name: str) -> Sentences:
    """Load short texts with labels; as `load`."""
    return _loaded("text with labels", name, SENTENCES)


def pretrained(name: str) -> Pretrained:
    """Load a trained network; as `load`."""
    return _loaded("pretrained network", name, PRETRAINED)


def _loaded(kind: str, name: str, known: Mapping[str, Source[T]]) -> T:
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return known[name].load()


__all__ = [
    "CORPORA",
    "DATASETS",
    "MOTIONS",
    "PRETRAINED",
    "SENTENCES",
    "SOURCES",
    "USER_FOLDER",
    "Corpus",
    "Dataset",
    "Motion",
    "Pretrained",
    "Provenance",
    "Sentences",
    "Source",
    "corpus",
    "load",
    "pretrained",
    "sentences",
]
