"""Trained weights: a .safetensors file, and beside it a .json that says where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from rmobench.errors import WeightsError
from rmobench.registry import find_weights

PACKAGED = Path(__file__).parent / "weights"


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where weights come from."""

    architecture: str
    settings: dict[str, int | float | bool]  # what the architecture was built with
    recipe: str  # name of the recipe
    recipe_sha256: str
    seed: int
    commit: str | None  # of the checkout that trained, None outside one
    wall_s: float
    n_outer: int  # outer steps taken
    best_outer: int  # outer step that these weights are from
    validation: float  # meta-loss on the validation instances
    curve: tuple[tuple[int, float, float], ...]  # outer step, seconds, validation meta-loss
    device: str
    torch: str
    sha256: str  # of the .safetensors file


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Meta-parameters with what they were trained as."""

    theta: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    sha256: str  # of the file, which holds architecture and settings too


def load_weights(name: str, architecture: str) -> Weights:
    """Load weights and verify them against their provenance.

    Args:
        name: Of packaged weights, or the path of a .safetensors file.
        architecture: What they must have been trained as.

    Raises:
        WeightsError: Missing, damaged, or of another architecture.
    """
    path = find_weights(PACKAGED, name)
    if path is None:
        raise WeightsError(f"no weights named {name!r} beside {architecture}; give the path of a .safetensors file.")
    provenance = read_provenance(path)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != provenance.sha256:
        raise WeightsError(f"{path}: sha256 {sha256[:12]}, its .json says {provenance.sha256[:12]}: one was changed.")
    if provenance.architecture != architecture:
        raise WeightsError(f"{path}: trained as {provenance.architecture}, expected {architecture}.")
    try:
        found = load(content)
    except SafetensorError as error:
        raise WeightsError(f"{path}: {error}.") from None
    theta = dict(sorted(found.items()))  # `load` gives another order every time, and draws follow the order of theta
    inside = _header(content).get("__metadata__")
    if inside != _metadata(provenance.architecture, provenance.settings):
        raise WeightsError(f"{path}: holds {inside}, which is not what its .json says: one was changed.")
    return Weights(theta=theta, settings=provenance.settings, sha256=sha256)


def _metadata(architecture: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what the file itself says of how its tensors are used, so that its hash covers that too."""
    return {"architecture": architecture, "settings": msgspec.json.encode(settings, order="sorted").decode()}


def _header(content: bytes) -> dict[str, Any]:
    """Read a .safetensors file's header: its length in 8 bytes, then JSON, padded with blanks."""
    header: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header


def _in_order(content: bytes) -> bytes:
    """Sort the metadata in the header, which safetensors writes in any order: equal weights are equal bytes."""
    length, header = int.from_bytes(content[:8], "little"), _header(content)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode().ljust(length)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def read_provenance(path: Path) -> Provenance:
    """Read the .json beside a .safetensors file."""
    beside = path.with_suffix(".json")
    try:
        return msgspec.json.decode(beside.read_bytes(), type=Provenance)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no {beside.name} beside it; weights without provenance are not used.") from None
    except (msgspec.DecodeError, OSError) as error:
        raise WeightsError(f"{beside}: {error}.") from None


def write_weights(path: Path, theta: Mapping[str, Tensor], **facts: Any) -> Provenance:
    """Write weights and their provenance; `facts` are its fields, without the hash."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in theta.items()}
    content = _in_order(save(tensors, metadata=_metadata(facts["architecture"], facts["settings"])))
    provenance = Provenance(sha256=hashlib.sha256(content).hexdigest(), **facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(provenance)) + b"\n")
    return provenance
