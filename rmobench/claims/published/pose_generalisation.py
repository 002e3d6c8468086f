"""What Optimus learned on some motions carries over to motions that it never saw."""

from __future__ import annotations

from rmobench.claims.claim import Claim, Finding
from rmobench.claims.evidence import Evidence
from rmobench.claims.poses import HELD_OUT, OTHERS, OURS, SUITE, ZERO_SHOT, against, reached_by_domain, runs_by_domain
from rmobench.claims.poses import table as table_of

DECIDING = ("bfgs", ZERO_SHOT)


def measure(evidence: Evidence) -> Finding:
    """Compare Optimus with the others on clips that meta-training never saw, and with its own weights before."""
    runs = runs_by_domain(evidence)[HELD_OUT]
    found = [*table_of(HELD_OUT, runs)]
    for other in OTHERS:
        found += against(HELD_OUT, runs, other, decides=other in DECIDING)
    return Finding(measures=tuple(found), n_records=runs["id"].nunique())


CLAIM = Claim(
    name="pose_generalisation",
    source="Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055, experiments on DiffPhy",
    statement="Meta-trained on some motions, Optimus fits motions that it never saw with fewer gradients than BFGS, "
    "and better.",
    measurement="Windows of half a second of clips that meta-training held out: cartwheel, roll, backflip. Over "
    "(window, seed), the geometric means of gradients to the headline rung, a miss counting two budgets, and of "
    "MPJPE-G at the end must be below 1 relative to BFGS, and relative to the weights for analytic functions that "
    "meta-training began with. Intervals: bootstrap over (window, seed).",
    not_covered="Human3.6M and the published weights; other bodies, other lengths of windows, pictures.",
    suites=(SUITE,),
    optimizers=(OURS, *DECIDING),
    measure=measure,
    figure=reached_by_domain,
)
