"""`rmobench report`: records -> one offline page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmobench.cli.console import console
from rmobench.cli.options import REFERENCE, STORE, StoreOption, check_writable
from rmobench.cli.plan import plan_of
from rmobench.cli.records import keep_newest, labelled, of_suite
from rmobench.errors import InputError
from rmobench.types import Skip

if TYPE_CHECKING:
    from pandas import DataFrame

    from rmobench.statistics import PrecisionBoard, Search


def report_(
    suite: Annotated[str | None, typer.Argument(help="Only this suite's trials; default: all.")] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write; it needs nothing else.")] = Path("report.html"),
    claims: Annotated[
        Path | None, typer.Option(help="Folder of the records that claims are examined on; default: the reference's.")
    ] = None,
    poses: Annotated[
        Path | None, typer.Option(help="JSON file of motions to show, see rmobench/report/README.md.")
    ] = None,
    tuning: Annotated[Path | None, typer.Option(help="Store of tuning records, as `rmobench tune` leaves it.")] = None,
    store: StoreOption = STORE,
) -> None:
    """Write one offline HTML page: boards with filters, figures, precisions, claims, failures, environment."""
    from rmobench.report.page import Material, read_clips, render
    from rmobench.store import load
    from rmobench.store.record_files import write_whole

    check_writable(out, ".html")
    if claims is not None and not claims.is_dir():
        raise InputError(f"got --claims {claims}, expected a folder with SUITE.parquet files.")
    clips = read_clips(poses) if poses is not None else ()
    runs: DataFrame = load(store, trace=True)
    everything, skips = _by_suite(runs, suite)
    page = render(
        Material(
            runs=next(iter(everything.values())),
            boards=_boards(everything),
            precisions=_precisions(everything),
            skips=skips,
            poses=clips,
            searches=_searches(tuning),
            **_judged(claims or REFERENCE),
        )
    )
    write_whole(out, page.encode())
    print(f"wrote {out}: {len(page) / 2**20:.1f} MiB")


def _by_suite(runs: DataFrame, only: str | None) -> tuple[dict[str, DataFrame], tuple[Skip, ...]]:
    """Return the records to show, all and of every suite that has some or of the only one, and what the suites skip."""
    from rmobench.harness.suite import suites
    from rmobench.report.page import ALL

    if only is not None:
        plan = plan_of(only)
        return {Path(only).stem: keep_newest(of_suite(labelled(runs, plan), plan, only))}, plan.skips
    found, skips = {ALL: keep_newest(runs)}, dict[Skip, None]()
    ids = set(runs["id"])
    for name in suites():
        try:
            plan = plan_of(name)
        except InputError:
            continue  # a suite of this folder that does not hold: `rmobench list suites` says why
        if plan.ids & ids:
            found[name] = keep_newest(of_suite(labelled(runs, plan), plan, name))
            skips |= dict.fromkeys(plan.skips)
    return found, tuple(skips)


def _boards(runs: dict[str, DataFrame]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Judge every combination of the page's filters, with a progress bar."""
    from rich.progress import track

    from rmobench.report.page import board_of, selections

    for selection in track(selections(runs), "boards", console=console(stderr=True), transient=True):
        yield from board_of(selection)


def _precisions(runs: dict[str, DataFrame]) -> dict[str, PrecisionBoard]:
    """Judge the precisions where there are several; of all records together only if no suite has them."""
    from rmobench.statistics import robustness

    several = {name: r for name, r in runs.items() if r["precision"].nunique() > 1}
    suites = dict(list(several.items())[1:]) if len(several) > 1 else several
    return {name: robustness(_at_several(r)) for name, r in suites.items()}


def _at_several(runs: DataFrame) -> DataFrame:
    """Keep the pairs that ran at more than one precision."""
    n = runs.groupby(["task", "optimizer"], observed=True)["precision"].transform("nunique")
    return runs[n > 1] if (n > 1).any() else runs


def _searches(tuning: Path | None) -> tuple[Search, ...]:
    """Say what tuning was worth, from trials on tuning seeds only."""
    from rmobench.harness.tuning import FIRST_SEED
    from rmobench.statistics import newest, searches
    from rmobench.store import load

    if tuning is None:
        return ()
    runs: DataFrame = load(tuning)
    return searches(newest(runs[runs["seed"] >= FIRST_SEED]))


def _judged(store: Path) -> dict[str, Any]:
    """Examine the claims and draw their figures; nothing where there is no store of them."""
    from rmobench.claims import choose_claims, draw, examine, gather
    from rmobench.claims.figures import png

    if not store.is_dir():
        return {}
    chosen = choose_claims()
    evidence = gather(chosen, store)
    drawn = {claim.name: figure for claim in chosen if (figure := draw(claim, evidence)) is not None}
    return {
        "judged": [(claim, examine(claim, evidence)) for claim in chosen],
        "figures": {name: png(figure, dpi=100) for name, figure in drawn.items()},
    }
