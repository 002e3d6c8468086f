"""The architectures that can be trained, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rmobench.optimizers.learned import adafactor_mlp, gmlstm, mlp_lopt, optimus, subspace, subspace_scalefree
from rmobench.optimizers.learned.rule import Architecture

EUCLIDEAN: Mapping[str, Architecture] = MappingProxyType(
    {
        "adafactor_mlp": adafactor_mlp.ARCHITECTURE,
        "mlp_lopt": mlp_lopt.ARCHITECTURE,
        "optimus": optimus.ARCHITECTURE,
    }
)
"""See gradients in flat space, and return the step."""

RIEMANNIAN: Mapping[str, Architecture] = MappingProxyType(
    {
        "gmlstm": gmlstm.ARCHITECTURE,
        "subspace": subspace.ARCHITECTURE,
        "subspace_scalefree": subspace_scalefree.ARCHITECTURE,
    }
)
"""See Riemannian gradients, and return a step that is projected and retracted."""

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType({**EUCLIDEAN, **RIEMANNIAN})
