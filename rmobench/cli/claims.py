"""`rmobench claims`: published claims and their verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmobench.cli.console import console
from rmobench.cli.options import REFERENCE, JsonOption
from rmobench.errors import InputError


def claims_(
    name: Annotated[str | None, typer.Argument(help="One claim, in detail.")] = None,
    export: Annotated[Path | None, typer.Option(help="Folder for CLAIMS.md and the figures.")] = None,
    json: JsonOption = False,
    store: Annotated[Path, typer.Option("--store", help="Folder of SUITE.parquet files, or any store.")] = REFERENCE,
) -> None:
    """Measure the published claims: what was claimed, what the records say, and the verdict."""
    from rmobench.claims import choose_claims, draw, examine, gather
    from rmobench.report import claims as pages

    chosen = choose_claims(name)
    if not store.is_dir() or (export is not None and export.is_file()):
        raise InputError(f"got --store {store} and --export {export}; expected a folder with records, and a folder.")
    evidence = gather(chosen, store)
    judged = [(claim, examine(claim, evidence)) for claim in chosen]
    if export is not None:
        from rmobench.claims.figures import write_png

        drawn = {claim.name: figure for claim in chosen if (figure := draw(claim, evidence)) is not None}
        for stem, figure in drawn.items():
            write_png(figure, export / "figures" / f"{stem}.png")
        export.mkdir(parents=True, exist_ok=True)
        addresses = {stem: f"figures/{stem}.png" for stem in drawn}
        (export / "CLAIMS.md").write_text(pages.markdown(judged, addresses), encoding="utf-8")
    if json:
        print(pages.as_json(judged), end="")
    else:
        console().print(pages.overview(judged) if name is None else pages.detail(*judged[0]))
