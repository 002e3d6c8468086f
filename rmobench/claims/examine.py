"""Claim and evidence -> finding and figure; nothing is measured on a part of the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmobench.claims.claim import Claim, Finding
from rmobench.claims.evidence import METATRAINING, Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def examine(claim: Claim, evidence: Evidence) -> Finding:
    """Measure a claim; where records are missing, say which command makes them."""
    gaps = _gaps(claim, evidence)
    return Finding(notes=gaps) if gaps else claim.measure(evidence)


def draw(claim: Claim, evidence: Evidence) -> Figure | None:
    """Draw a claim's figure, None if it has none or records are missing."""
    return None if claim.figure is None or _gaps(claim, evidence) else claim.figure(evidence)


def _gaps(claim: Claim, evidence: Evidence) -> tuple[str, ...]:
    needs = (*claim.suites, *([METATRAINING] if claim.metatraining else []))
    if gaps := tuple(evidence.gaps[name] for name in needs if name in evidence.gaps):
        return gaps
    present = {label for suite in claim.suites for label in evidence.runs[suite]["optimizer"].unique()}
    return tuple(
        f"no trials of {label} in {', '.join(claim.suites)}: `rmobench run {claim.suites[0]} --dry-run` says why."
        for label in claim.optimizers
        if label not in present
    )
