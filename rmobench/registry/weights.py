"""Where the weights of a learned optimizer lie, and their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from rmobench.registry.scan import source_of
from rmobench.types import OptimizerSpec, Value


def find_weights(packaged: Path, name: str) -> Path | None:
    """Find a .safetensors file by path, or by name in a folder; None if there is none."""
    path = Path(name) if name.endswith(".safetensors") else packaged / f"{name}.safetensors"
    return path if path.is_file() else None


def weights_of(spec: OptimizerSpec, hyper: Mapping[str, Value]) -> Path | None:
    """Return the file that the hyperparameter `weights` names; packaged ones lie in `weights/` beside the source."""
    source = source_of(spec.location.partition(":")[0])
    return find_weights(source.parent / "weights", str(hyper["weights"])) if source is not None else None


def weights_sha256(spec: OptimizerSpec, hyper: Mapping[str, Value]) -> str | None:
    """Return the sha256 of a learned optimizer's weights, None for every other optimizer."""
    path = weights_of(spec, hyper) if spec.weights else None
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None else None


def missing_weights(spec: OptimizerSpec, hyper: Mapping[str, Value]) -> str | None:
    """Return the reason why a learned optimizer cannot run: its weights are not there."""
    if not spec.weights or weights_of(spec, hyper) is not None:
        return None
    return f"no weights {str(hyper['weights'])!r}: give {spec.name}[weights='FILE.safetensors']"
