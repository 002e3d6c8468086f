"""One set of weights for all layers takes six orders of magnitude less than one set for every shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import nan

import pandas as pd

from rmobench.claims.claim import Claim, Finding, Measure
from rmobench.claims.evidence import Evidence
from rmobench.types import Interval

SUITE = "subspace_memory"
OURS = "subspace"
NETWORK = "resnet50"
LAYERS = f"orthogonal_layers[network={NETWORK}]"
ORDERS = 1e6
FLOAT_BYTES = 4
BYTES = {"model_bytes": "the optimizer's own weights", "state_bytes": "state", "peak_bytes": "peak of a step"}
GIB = 2.0**30
MIB = 2.0**20


def measure(evidence: Evidence) -> Finding:
    """Count the weights of real modules on the layers of a real ResNet-50, by assumption; then what was measured."""
    from rmobench.optimizers.learned.gmlstm import weights_of  # bring torch
    from rmobench.tasks.orthogonal.orthogonal_layers import shapes

    runs = evidence.runs[SUITE]
    layers = Counter((shape[0], shape[1]) for shape in shapes(NETWORK).values())
    ours = _model_bytes(runs, OURS, LAYERS)
    counted = (*_counted(layers, ours), _state(layers))
    notes = [f"{sum(layers.values())} layers in {len(layers)} shapes; {OURS} {ours / 1024:.1f} KiB for all of them."]
    if (small := _model_bytes(runs, "gmlstm", None)) > 0.0:
        notes.append(
            f"On one shape that fits, 64 x 8, the predecessor's trained weights take {small / MIB:.2f} MiB, and "
            f"{weights_of(64, 8) * FLOAT_BYTES / MIB:.2f} MiB by the count above."
        )
    return Finding(measures=(*counted, *_measured(runs)), n_records=len(runs), notes=tuple(notes))


def _counted(layers: Counter[tuple[int, int]], ours: float) -> Iterator[Measure]:
    """Yield the ratio of bytes under every assumption; the first one is the published one."""
    from rmobench.optimizers.learned.gmlstm import weights_of

    for said, flat in (("with the layer that sees all entries", True), ("without it", False)):
        for every, counts in (("shape", dict.fromkeys(layers, 1)), ("layer", layers)):
            n = sum(count * weights_of(*shape, flat=flat) for shape, count in counts.items())
            ratio = n * FLOAT_BYTES / ours
            decides = flat and every == "shape"
            yield Measure(
                name=f"one predecessor for every {every}, {said}: {n * FLOAT_BYTES / GIB:.3g} GiB",
                value=Interval(value=ratio, low=ratio, high=ratio),
                unit="ratio of bytes of weights",
                threshold=ORDERS if decides else None,
                wants="above" if decides else None,
            )


def _state(layers: Counter[tuple[int, int]]) -> Measure:
    """Count what the predecessor would keep: output and cell of two nets of two layers each, all of a point's size."""
    mib = sum(count * 8 * n * p for (n, p), count in layers.items()) * FLOAT_BYTES / MIB
    return Measure(name="predecessor: state, all layers", value=Interval(value=mib, low=mib, high=mib), unit="MiB")


def _measured(runs: pd.DataFrame) -> Iterator[Measure]:
    """Yield what the records say of a step over all layers, MiB, the median and range over the seeds."""
    at_size = runs[runs["task"] == LAYERS]
    for optimizer in dict.fromkeys(at_size["optimizer"]):
        mine = at_size[at_size["optimizer"] == optimizer]
        for column, said in BYTES.items():
            values = pd.to_numeric(mine[column]) / MIB
            value = Interval(value=float(values.median()), low=float(values.min()), high=float(values.max()))
            yield Measure(name=f"{optimizer}: {said}, all layers", value=value, unit="MiB")


def _model_bytes(runs: pd.DataFrame, optimizer: str, task: str | None) -> float:
    mine = runs[(runs["optimizer"] == optimizer) & ((runs["task"] == task) if task else True)]
    return float(pd.to_numeric(mine["model_bytes"]).max()) if len(mine) else nan


CLAIM = Claim(
    name="subspace_memory",
    source="Yu, Wu, Gao, Fan, Jia 2025, CVIU 253, 104306, arXiv 2501.15235, abstract",
    statement="On ResNet-50, subspace adaptation takes six orders of magnitude less memory than its predecessor.",
    measurement="The bytes of the predecessor's weights, one pair of matrix LSTMs for every shape of the orthogonal "
    "layers of ResNet-50, over those of the shared rule must be at least 1e6. Shapes come from a network, counts from "
    "the modules, built without memory; the shared rule's bytes from its file. There is no uncertainty in a count: the "
    "interval is the number.",
    not_covered="The memory of training. The ratio is about the optimizers' own weights, which the predecessor could "
    "not hold; some 80 % of them sit in one layer that sees all entries of a matrix. State and peak of a step, below, "
    "do not differ by orders of magnitude between optimizers.",
    suites=(SUITE,),
    optimizers=(OURS,),
    measure=measure,
)
