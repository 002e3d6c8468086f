"""The byte-level language model, pretrained on Shakespeare's plays, which rmobench ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from safetensors.numpy import load

from rmobench.data.provenance import Provenance
from rmobench.data.source import Source
from rmobench.data.text import Pretrained
from rmobench.errors import DataError

PLACE = Path(__file__).parent / "shipped" / "byte_gpt.safetensors"
LICENCE = "MIT, rmobench's"


def byte_gpt() -> Pretrained:
    """Return the parameters of `models.ByteGPT` in float16.

    `suites/pretrain_byte_gpt.py` trains it again; recipe, curve and digest are in the .json file beside it.

    Raises:
        DataError: The file is not the one that its provenance speaks of.
    """
    content = PLACE.read_bytes()
    said = json.loads(PLACE.with_suffix(".json").read_bytes())
    got = hashlib.sha256(content).hexdigest()
    if got != said["sha256"]:
        raise DataError(f"{PLACE}: sha256 is {got}, expected {said['sha256']}. Install rmobench again.")
    return Pretrained(
        arrays=load(content),
        settings={name: said["recipe"][name] for name in ("n_heads", "context")},
        provenance=Provenance(
            name="byte_gpt", package="rmobench", version=None, file=PLACE.name, sha256=got, licence=LICENCE
        ),
    )


def where() -> Path | None:
    """Return the place of the parameters."""
    return PLACE if PLACE.is_file() else None


def fetch() -> Path:
    """Return the place of the parameters after comparing their digest.

    Raises:
        DataError: The file is not the one that its provenance speaks of.
    """
    byte_gpt()
    return PLACE


SOURCE = Source(
    summary="a byte-level GPT of 1.9 million parameters, pretrained on Shakespeare's plays",
    carrier="rmobench",
    licence=LICENCE,
    where=where,
    fetch=fetch,
    load=byte_gpt,
)
