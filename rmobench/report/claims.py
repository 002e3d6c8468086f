"""Claims and their findings -> terminal, Markdown and JSON. The shape of the JSON is in this room's README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from textwrap import fill

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rmobench.claims.claim import Claim, Finding, Measure, Verdict
from rmobench.report.numbers import number
from rmobench.types import Interval

SHAPE = 1
"""Version of the JSON; grows when a key is renamed or removed, not when one is added."""

REFERENCE = "results/reference"
"""Folder of the committed records, as commands name it."""

SAID = {Verdict.holds: "holds", Verdict.does_not_hold: "does not hold", Verdict.undecided: "undecided"}
STYLE = {Verdict.holds: "green", Verdict.does_not_hold: "red", Verdict.undecided: "yellow"}
HEAD = ("measure", "value [low, high]", "unit", "wants", "verdict")

Judged = tuple[Claim, Finding]


def listing(claims: Iterable[Claim]) -> list[dict[str, str]]:
    """Return the rows of `rmobench list claims`."""
    return [{"name": c.name, "source": c.source, "summary": c.statement} for c in claims]


# --- terminal ----------------------------------------------------------------------------------------------


def overview(judged: Sequence[Judged]) -> RenderableType:
    """Show each claim with its verdict and what decided, readable from 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 1, 0))
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was claimed, and what decides", overflow="fold")
    for claim, finding in judged:
        lines = [claim.statement, *(_line(m) for m in _deciders(finding)), *finding.notes]
        table.add_row(claim.name, _said(finding.verdict), Text("\n".join(lines)))
    return Group(table, Text("`rmobench claims NAME` shows one in detail.", style="dim"))


def detail(claim: Claim, finding: Finding) -> RenderableType:
    """Show everything about one claim."""
    title = Text.assemble((claim.name, "bold"), ": ", _said(finding.verdict), f" · {finding.n_records} records")
    told = [Text.assemble((f"{name}: ", "bold"), text) for name, text in _paragraphs(claim)]
    notes = [Text(f"! {note}", style="yellow") for note in finding.notes]
    again = [Text(f"  {command}", style="dim") for command in commands(claim)]
    measures = [_measures(finding)] if finding.measures else []
    return Group(title, *told, *notes, *measures, Text("Again:", style="bold"), *again)


def _measures(finding: Finding) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in HEAD:
        table.add_column(name, overflow="fold", justify="right" if name == HEAD[1] else "left")
    for m in _deciding_first(finding):
        *words, verdict = _row(m)
        table.add_row(*map(Text, words), Text(verdict, style=STYLE[m.verdict] if m.verdict else ""))
    return table


def _said(verdict: Verdict) -> Text:
    return Text(SAID[verdict], style=STYLE[verdict])


# --- Markdown ----------------------------------------------------------------------------------------------


def markdown(judged: Sequence[Judged], figures: Mapping[str, str] | None = None) -> str:
    """Write the whole of CLAIMS.md: the verdicts, then a section for each claim.

    Args:
        judged: Claims with their findings.
        figures: Claim -> address of its figure, relative to the page.
    """
    rows = [(c.name, SAID[f.verdict], c.statement) for c, f in judged]
    blocks = ["# Claims", _table(("claim", "verdict", "what was claimed"), rows)]
    for claim, finding in judged:
        blocks += _section(claim, finding, (figures or {}).get(claim.name))
    return "\n\n".join(blocks) + "\n"


def _section(claim: Claim, finding: Finding, figure: str | None) -> list[str]:
    return [
        f"## {claim.name}: {SAID[finding.verdict]}",
        *(fill(f"**{name}:** {text}", width=120, break_long_words=False) for name, text in _paragraphs(claim)),
        *(["\n".join(f"> {note}  " for note in finding.notes)] if finding.notes else []),
        *([_table(HEAD, rows(finding))] if finding.measures else []),
        *([f"![{claim.name}]({figure})"] if figure is not None else []),
        f"{finding.n_records} records. Intervals are 95 %; ∞: nothing was reached, or too few to say.",
        "Again:\n\n" + "\n".join(f"    {command}" for command in commands(claim)),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# --- JSON --------------------------------------------------------------------------------------------------


def as_json(judged: Sequence[Judged]) -> str:
    """Write {"shape", "claims"}; numbers that are infinite or unknown are null."""
    text = msgspec.json.encode({"shape": SHAPE, "claims": [_entry(*pair) for pair in judged]})
    return msgspec.json.format(text, indent=2).decode() + "\n"


def _entry(claim: Claim, finding: Finding) -> dict[str, object]:
    return {
        "name": claim.name,
        "source": claim.source,
        "statement": claim.statement,
        "measurement": claim.measurement,
        "not_covered": claim.not_covered,
        "suites": claim.suites,
        "verdict": finding.verdict,
        "n_records": finding.n_records,
        "measures": [asdict(m) | {"verdict": m.verdict} for m in finding.measures],
        "notes": finding.notes,
        "commands": commands(claim),
    }


# --- what all have in common -------------------------------------------------------------------------------


def _paragraphs(claim: Claim) -> list[tuple[str, str]]:
    return [
        ("Claimed", claim.statement),
        ("Source", claim.source),
        ("Measured", claim.measurement),
        ("Not covered", claim.not_covered),
    ]


def commands(claim: Claim) -> tuple[str, ...]:
    """Return what measures a claim again: its records, where it has some, then its verdict and figure."""
    runs = tuple(f"rmobench run {suite} --export {REFERENCE}" for suite in claim.suites)
    recipes = ("optimus_short", "adafactor_mlp_short") if claim.metatraining else ()
    trains = tuple(f"rmobench metatrain {r} --seed N --curves {REFERENCE}/metatraining.json" for r in recipes)
    return (*runs, *trains, f"rmobench claims {claim.name} --store {REFERENCE}")


def rows(finding: Finding) -> list[tuple[str, ...]]:
    """Return the measures under HEAD, those that decide first."""
    return [_row(m) for m in _deciding_first(finding)]


def _deciding_first(finding: Finding) -> tuple[Measure, ...]:
    return (*finding.deciding, *(m for m in finding.measures if m.threshold is None))


def _deciders(finding: Finding) -> tuple[Measure, ...]:
    """Return the measures that the verdict rests on: those that share it."""
    return tuple(m for m in finding.deciding if m.verdict is finding.verdict)


def _line(m: Measure) -> str:
    return f"· {m.name}: {_interval(m.value)} {m.unit}, wants {_wants(m)}"


def _row(m: Measure) -> tuple[str, ...]:
    return m.name, _interval(m.value), m.unit, _wants(m), SAID[m.verdict] if m.verdict else ""


def _wants(m: Measure) -> str:
    if m.threshold is None:
        return ""
    return f"{'needs ' if m.condition else ''}{'>' if m.wants == 'above' else '<'} {m.threshold:g}"


def _interval(x: Interval) -> str:
    return f"{_signed(x.value)} [{_signed(x.low)}, {_signed(x.high)}]"


def _signed(x: float) -> str:
    return "−∞" if x == float("-inf") else number(x)
