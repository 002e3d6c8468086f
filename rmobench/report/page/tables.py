"""What the page says without a filter: claims, skips, environments."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from rmobench.report.claims import HEAD, SAID, Judged, commands, rows
from rmobench.report.sheets import Sheet, skipped
from rmobench.statistics import Place
from rmobench.types import Skip


def claims(judged: Sequence[Judged], figures: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return every claim with all that its page says, the figure as a data address."""
    return [
        {
            "name": claim.name,
            "verdict": SAID[finding.verdict],
            "kind": str(finding.verdict),
            "statement": claim.statement,
            "source": claim.source,
            "measurement": claim.measurement,
            "not_covered": claim.not_covered,
            "notes": finding.notes,
            "n_records": finding.n_records,
            "suites": claim.suites,
            "commands": commands(claim),
            "measures": Sheet(title=f"Measures of {claim.name}", head=HEAD, rows=tuple(rows(finding))),
            "figure": _address(figures[claim.name]) if claim.name in figures else None,
        }
        for claim, finding in judged
    ]


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def not_run(skips: Sequence[Skip]) -> Sheet | None:
    """Return the pairs that cannot run, by reason; None: there are none."""
    return skipped(skips) if skips else None


def environments(found: Sequence[Place]) -> Sheet:
    """Show where the records were measured."""
    heads = ("machine", "device", "driver", "torch", "python", "threads", "trials at once", "records")
    return Sheet(title="Environments", head=heads, rows=tuple(_environment(p) for p in found), n_words=5)


def _environment(p: Place) -> tuple[str, ...]:
    told = (p.machine, p.env_device, p.driver, p.torch, p.python, p.threads, p.jobs, f"{p.n_records:,}")
    return tuple("–" if value is None else str(value) for value in told)
