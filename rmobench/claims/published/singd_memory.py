"""Structured factors bring the state of SINGD below that of AdamW."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.counted import NETWORKS, STRUCTURES, exact
from rmobench.claims.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmobench.harness.walk import Walk

N_STEPS = 2  # the state has its full size after the second update
BASELINE = "adamw"
OTHERS = {"kfac": "kfac[period=1]", **{name: f"singd[period=1,structure={name}]" for name in STRUCTURES}}
DECIDING = ("diagonal", "arrow", "lower_toeplitz", "upper_toeplitz")
"""Structures that keep one or two numbers for each row of a factor."""


def measure(evidence: Evidence) -> Finding:
    """Count the bytes that are kept between steps, over those of AdamW."""
    found = [_measure(name, task) for name in DECIDING for task in NETWORKS]
    found += [_measure(name, task) for name in OTHERS if name not in DECIDING for task in NETWORKS]
    params = ", ".join(f"{said} {_walk(BASELINE, task).param_bytes / 4:,.0f}" for task, said in NETWORKS.items())
    return Finding(
        measures=tuple(found), notes=(f"Counted when this page was made, on real modules; parameters: {params}.",)
    )


def _measure(name: str, task: str) -> Measure:
    state, params = bytes_over(name, task)
    decides = name in DECIDING
    who = name if name == "kfac" else f"singd, {name}"
    return Measure(
        name=f"{NETWORKS[task]}, {who}: {params:.2f} times the parameters",
        value=exact(state),
        unit=f"ratio of bytes of state to {BASELINE}",
        threshold=1.0 if decides else None,
        wants="below" if decides else None,
    )


def bytes_over(name: str, task: str) -> tuple[float, float]:
    """Return the bytes of an optimizer's state over those of AdamW's, and over those of the parameters."""
    state = _walk(OTHERS[name], task).state_bytes
    baseline = _walk(BASELINE, task)
    return state / baseline.state_bytes, state / baseline.param_bytes


@cache
def _walk(optimizer: str, task: str) -> Walk:
    from rmobench.harness.walk import walk  # brings torch

    return walk(task, optimizer, n_steps=N_STEPS, precision="fp32")


def figure(evidence: Evidence) -> Figure:
    """Draw the bytes of state over those of AdamW, a group of bars per optimizer."""
    from rmobench.claims.figures import panels

    drawn, (axes,) = panels(1, width=7.0, height=3.6)
    for k, (task, said) in enumerate(NETWORKS.items()):
        heights = [bytes_over(name, task)[0] for name in OTHERS]
        axes.bar([i + 0.27 * (k - 1) for i in range(len(heights))], heights, width=0.25, label=said)
    axes.axhline(1.0, color="black", linewidth=0.5)
    axes.set(ylabel=f"bytes of state over {BASELINE}'s")
    axes.set_xticks(range(len(OTHERS)), list(OTHERS), rotation=40, ha="right", fontsize=8)
    axes.legend(fontsize=8)
    return drawn


CLAIM = Claim(
    name="singd_memory",
    source="Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705",
    statement="Structured factors bring the memory of a second-order method to that of AdamW.",
    measurement="On the digits MLP, CNN and ViT, the bytes that SINGD keeps between steps, momenta included, must be "
    "below AdamW's with diagonal, arrow and Toeplitz factors, which keep one or two numbers for each row. They are "
    "those of real modules after two steps in float32; other structures at their default sizes, and KFAC, are shown "
    "beside. There is no uncertainty in a count: the interval is the number.",
    not_covered="The peak of a step, with the rows of inputs and gradients that an update needs. Larger networks. "
    "Which structure still trains as well as dense factors: those that decide here keep the least.",
    measure=measure,
    figure=figure,
)
