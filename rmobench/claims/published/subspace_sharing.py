"""One set of weights, trained on small shapes, steps every orthogonal layer of ResNet-50."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.claims.resampling import bootstrap_mean

OURS = ("subspace", "subspace_scalefree")
SUITE = "subspace_memory"
LAYERS = "orthogonal_layers[network=resnet50]"
"""Largest frame of meta-training: 288 x 64; of ResNet-50: 4608 x 512."""


def measure(evidence: Evidence) -> Finding:
    """Take how far the slowest layer is on its way to its target."""
    runs = evidence.runs[SUITE]
    at_size = runs[runs["task"] == LAYERS]
    found = tuple(m for name in dict.fromkeys(at_size["optimizer"]) for m in _of_optimizer(name, at_size))
    return Finding(measures=found, n_records=len(at_size))


def _of_optimizer(name: str, runs: pd.DataFrame) -> Iterator[Measure]:
    gaps = pd.to_numeric(runs[runs["optimizer"] == name]["final"]).fillna(np.inf).to_numpy(float)
    decides = name == OURS[0]
    yield Measure(
        name=f"{name}: gap of the slowest layer after the budget, 1 at the start",
        value=bootstrap_mean(gaps, least=3),
        unit="relative gap",
        threshold=1.0 if decides else None,
        wants="below" if decides else None,
    )


CLAIM = Claim(
    name="subspace_sharing",
    source="Yu, Wu, Gao, Fan, Jia 2025, CVIU 253, 104306, arXiv 2501.15235",
    statement="One learned optimizer is shared by parameters of any shape: trained on small ones, it steps large ones.",
    measurement="Weights that were trained on frames of at most 288 x 64 bring each of the 33 orthogonal layers of "
    "ResNet-50, up to 4608 x 512, nearer to a target of its own: the gap of the slowest layer after five steps must be "
    "below 1, where it began. Interval: bootstrap over seeds.",
    not_covered="Whether they step well: the claim is about structure, and any weights of the rule would descend. "
    "Plain Riemannian gradient descent at the same learning rate is shown beside. Training a network.",
    suites=(SUITE,),
    optimizers=(OURS[0],),
    measure=measure,
)
