"""Verdicts on claims as JSON, strictly, as Markdown and on a terminal."""

from __future__ import annotations

import json
import math
import re
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from rmobench.claims import Claim, Finding, Measure, choose_claims
from rmobench.report import claims as pages
from rmobench.types import Interval
from tests.report.shapes import README, Range, Strict


class Number(Strict):
    name: str
    value: Range
    unit: str
    threshold: float | None
    wants: str | None
    condition: bool
    verdict: str | None


class Entry(Strict):
    name: str
    source: str
    statement: str
    measurement: str
    not_covered: str
    suites: list[str]
    verdict: str
    n_records: int
    measures: list[Number]
    notes: list[str]
    commands: list[str]


class Page(Strict):
    shape: int
    claims: list[Entry]


def claim(name: str) -> Claim:
    words = {key: f"{key} of {name}." for key in ("source", "statement", "measurement", "not_covered")}
    return Claim(name=name, suites=("smoke",), measure=lambda _: Finding(), **words)


def ratio(low: float, value: float, high: float, **decides: object) -> Measure:
    return Measure(name="a|b", value=Interval(value=value, low=low, high=high), unit="ratio", **decides)


DECIDES = {"threshold": 1.0, "wants": "below"}
JUDGED = [
    (claim("first"), Finding(measures=(ratio(0.1, 0.2, 0.3, **DECIDES), ratio(2.0, 3.0, math.inf)), n_records=1234)),
    (claim("second"), Finding(measures=(ratio(0.0, 1.0, math.inf), ratio(2.0, 3.0, 4.0, **DECIDES)), n_records=5)),
    (claim("third"), Finding(measures=(ratio(*3 * [math.nan], **DECIDES), ratio(-math.inf, 0.0, math.inf)))),
    (claim("fourth"), Finding(notes=("records are missing: `rmobench run smoke`.",))),
]
VERDICTS = ["holds", "does_not_hold", "undecided", "undecided"]


def shown(renderable: object, width: int = 80) -> str:
    text = StringIO()
    Console(width=width, file=text).print(renderable)
    return text.getvalue()


def test_the_json_has_its_shape():
    found = msgspec.json.decode(pages.as_json(JUDGED), type=Page)
    assert found.shape == pages.SHAPE == 1
    assert [entry.verdict for entry in found.claims] == VERDICTS
    assert [m.verdict for m in found.claims[1].measures] == [None, "does_not_hold"]
    assert (found.claims[0].measures[0].wants, found.claims[0].n_records) == ("below", 1234)


def test_infinite_and_unknown_are_null():
    entries = json.loads(pages.as_json(JUDGED), parse_constant=pytest.fail)["claims"]
    assert entries[0]["measures"][1]["value"] == {"value": 3.0, "low": 2.0, "high": None}
    assert entries[2]["measures"][0]["value"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("shape", [Range, Number, Entry, Page])
def test_the_readme_names_every_key(shape):
    words = set(re.findall(r"[`\"](\w+)[`\"]", README.read_text(encoding="utf-8").partition("## JSON: claims")[2]))
    known = words | {"low", "high"}  # of an interval, which the README explains above
    assert {field.name for field in msgspec.structs.fields(shape)} <= known


def test_every_claim_is_listed_with_its_source_and_statement():
    rows = pages.listing(choose_claims())
    assert {row["name"] for row in rows} >= {"optimus_iterations", "optimus_cost"}
    assert all(row.keys() == {"name", "source", "summary"} and all(row.values()) for row in rows)


def test_the_overview_fits_80_columns_and_says_verdicts_and_what_decides():
    text = shown(pages.overview(JUDGED))
    assert max(map(len, text.splitlines())) <= 80
    for words in ("holds", "does not hold", "undecided", "statement of second.", "rmobench run smoke"):
        assert words in text
    assert "0.2 [0.1, 0.3] ratio, wants < 1" in text
    assert "[2, 4]" in text
    assert "[0, ∞]" not in text  # informs only


@pytest.mark.parametrize(("claim", "finding"), JUDGED, ids=["holds", "fails", "unknown", "missing"])
def test_the_detail_says_everything(claim, finding):
    text = " ".join(shown(pages.detail(claim, finding), width=200).split())
    for words in (claim.statement, claim.source, claim.measurement, claim.not_covered, *finding.notes):
        assert words in text
    assert text.count("a|b") == len(finding.measures)
    assert ("[−∞, ∞]" in text) is (claim.name == "third")


def test_deciding_measures_come_first():
    text = shown(pages.detail(*JUDGED[1]), width=200)
    assert text.index("3 [2, 4]") < text.index("1 [0, ∞]")


def test_the_page_has_a_section_per_claim_and_whole_tables():
    """A pipe inside a name must not open a cell."""
    text = pages.markdown(JUDGED, {"first": "first.png"})
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "first: holds",
        "second: does not hold",
        "third: undecided",
        "fourth: undecided",
    ]
    assert text.count("![") == 1
    assert "![first](first.png)" in text
    assert "> records are missing: `rmobench run smoke`." in text
    for block in text.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1
