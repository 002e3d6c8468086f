"""Everything in one file: HTML by jinja2, plotly.js and the data inside."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from rmobench.report.claims import Judged
from rmobench.report.page.figures import Json, heat_map, ill, traced
from rmobench.report.page.poses import Clip
from rmobench.report.page.selections import ALL
from rmobench.report.page.tables import claims, environments, not_run
from rmobench.statistics import PrecisionBoard, Search, pathologies, places
from rmobench.types import Skip

TEMPLATES = Path(__file__).parent / "templates"

SCRIPTS = ("dom.js", "filters.js", "figures.js", "pathologies.js", "searches.js", "poses.js", "main.js")
"""In this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the page is made of; nothing in it is computed from here on but curves."""

    runs: pd.DataFrame  # one row per record, of equal ones the newest, with traces
    boards: Iterable[tuple[list[str], Json]]  # as `board_of` gives them
    precisions: Mapping[str, PrecisionBoard] = field(default_factory=dict)  # by suite
    skips: Sequence[Skip] = ()
    judged: Sequence[Judged] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)  # claim -> PNG
    poses: Sequence[Clip] = ()
    searches: Sequence[Search] = ()


def render(material: Material) -> str:
    """Write the page.

    Args:
        material: All of it; without records at two precisions, pathologies or claims their sections say so;
            without poses or tuning there is no such section.

    Returns:
        HTML that loads nothing: its policy forbids it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    def inside(name: str) -> Markup:
        return Markup((TEMPLATES / name).read_text(encoding="utf-8"))

    engine = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    runs = material.runs
    return engine.get_template("page.html.jinja").render(
        style=inside("page.css"),
        script=Markup("\n").join(map(inside, SCRIPTS)),
        plotly=Markup(get_plotlyjs()),
        data=_packed(_data(material)),
        n_records=len(runs),
        n_optimizers=int(runs["optimizer"].nunique()),
        n_tasks=int(runs["task"].nunique()),
        claims=claims(material.judged, material.figures),
        skipped=not_run(material.skips),
        environments=environments(places(runs)),
        has_precisions=bool(material.precisions),
        has_pathologies=bool(pathologies(runs)),
        has_searches=bool(material.searches),
        has_poses=bool(material.poses),
    )


def _data(material: Material) -> dict[str, Any]:
    boards: list[Json] = []
    index: dict[str, int] = {}
    for keys, board in material.boards:
        index |= dict.fromkeys(keys, len(boards))
        boards.append(board)
    families = material.runs[["task", "family"]].drop_duplicates("task")
    return {
        "all": ALL,
        "index": index,
        "boards": boards,
        "families": dict(zip(families["task"], families["family"], strict=True)),
        "courses": traced(material.runs),
        "precisions": {suite: heat_map(board) for suite, board in material.precisions.items()},
        "pathologies": ill(pathologies(material.runs)),
        "poses": list(material.poses),
        "searches": list(material.searches),
    }


def _packed(value: object) -> str:
    """Write JSON, gzipped, in base64: the boards of many suites are alike, and shrink to a sixth of their size."""
    return base64.b64encode(gzip.compress(msgspec.json.encode(value), mtime=0)).decode()
