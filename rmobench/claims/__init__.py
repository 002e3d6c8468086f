"""Each published claim as a measurement with a verdict.

A claim is a file of `published/` with a module-level CLAIM. `gather` reads the records that claims need into Evidence,
`examine` measures; both a claim's measurement and its figure are pure functions of the Evidence. A verdict needs every
planned trial of the claim's suites: with records missing it is undecided, and the finding names the command.
"""

from rmobench.claims.claim import Claim, Finding, Measure, Verdict
from rmobench.claims.evidence import Evidence, gather
from rmobench.claims.examine import draw, examine
from rmobench.claims.scan import choose_claims, claims

__all__ = [
    "Claim",
    "Evidence",
    "Finding",
    "Measure",
    "Verdict",
    "choose_claims",
    "claims",
    "draw",
    "examine",
    "gather",
]
