"""The architectures that can be trained, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rmobench.optimizers.learned import adafactor_mlp, mlp_lopt, optimus
from rmobench.optimizers.learned.rule import Architecture

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "adafactor_mlp": adafactor_mlp.ARCHITECTURE,
        "mlp_lopt": mlp_lopt.ARCHITECTURE,
        "optimus": optimus.ARCHITECTURE,
    }
)
