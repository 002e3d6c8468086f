"""No step of INGD, IKFAC, SINGD or GNC factorises, inverts or solves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.counted import STRUCTURES, exact
from rmobench.claims.evidence import Evidence

N_STEPS = 2  # the second one has momenta
NETWORK, POSITIVE = "digits_cnn", "metric_nearness"  # whose losses factorise nothing themselves
ON_NETWORK = ("ingd[period=1]", "ikfac[period=1]", *(f"singd[period=1,structure={name}]" for name in STRUCTURES))
ON_POSITIVE = ("gnc", "gnc[map=h1]")
CONTROLS = {"kfac[period=1,widen=true]": NETWORK, "radam": POSITIVE, "heavy_ball_exact": POSITIVE}
PRECISIONS = ("fp32", "bf16")


def measure(evidence: Evidence) -> Finding:
    """Look at steps of ours and of the controls."""
    ours = {name: called(NETWORK, name) for name in ON_NETWORK} | {name: called(POSITIVE, name) for name in ON_POSITIVE}
    return counted(ours, {name: called(task, name) for name, task in CONTROLS.items()})


def counted(ours: Mapping[str, tuple[str, ...]], controls: Mapping[str, tuple[str, ...]]) -> Finding:
    """Count the kernels that the dispatcher saw, by optimizer; those of the controls show that it sees them."""
    if blind := [name for name, kernels in controls.items() if not kernels]:
        return Finding(notes=(f"the audit saw no factorisation in {', '.join(blind)}, which take one: it is blind.",))
    return Finding(
        measures=(
            *(_measure(name, kernels, decides=True) for name, kernels in ours.items()),
            *(_measure(f"control {name}: {', '.join(k)}", k, decides=False) for name, k in controls.items()),
        ),
        notes=("Counted when this page was made.",),
    )


@cache
def called(task: str, optimizer: str) -> tuple[str, ...]:
    """Return the kernels that factorise, invert or solve in some steps, at any of the precisions."""
    from rmobench.harness.kernels import Kernels  # bring torch
    from rmobench.harness.walk import walk

    kernels = Kernels()
    for precision in PRECISIONS:
        walk(task, optimizer, n_steps=N_STEPS, precision=precision, within=kernels)
    return kernels.factorisations


def _measure(name: str, kernels: tuple[str, ...], *, decides: bool) -> Measure:
    return Measure(
        name=name,
        value=exact(float(len(kernels))),
        unit="kernels that factorise, invert or solve",
        threshold=0.5 if decides else None,
        wants="below" if decides else None,
    )


CLAIM = Claim(
    name="inverse_free",
    source="Lin, Dangel, Eschenhagen et al. 2024, ICML, arXiv 2312.05705; Lin et al. 2023, ICML, arXiv 2302.09738",
    statement="INGD, IKFAC, SINGD with any structure, and GNC need no inverse, decomposition or solve in a step.",
    measurement="Every operation of two steps goes by torch's dispatcher, where none may be called whose name is that "
    "of a factorisation, inverse, eigen or singular value decomposition or solve: on the digits CNN with an update of "
    "the factors in every step, GNC on a quadratic form of positive definite matrices, in float32 and bfloat16. KFAC, "
    "Riemannian Adam and the exact heavy ball are watched alike, as controls. There is no uncertainty in a count.",
    not_covered="GNC's first factor, a Cholesky factor of the start, taken once before the first step; its map exp, "
    "which calls the matrix exponential. What happens inside a kernel. Whether the steps are good, or fast.",
    measure=measure,
)
