"""Curves of meta-training, several seeds of each architecture: results/reference/metatraining.json."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec

from rmobench.errors import StoreError


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One meta-training run: how good the rule was on the validation instances, and when."""

    architecture: str
    recipe: str  # its name
    recipe_sha256: str
    seed: int
    curve: tuple[tuple[int, float, float], ...]  # outer step, seconds, validation meta-loss


def read_curves(path: Path) -> tuple[Curve, ...]:
    """Read the file, a JSON list of runs.

    Raises:
        StoreError: It is not that, a run occurs twice, or its outer steps do not grow.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=tuple[Curve, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise StoreError(f"{path}: {error}.") from None
    runs = [(run.recipe, run.seed) for run in found]
    for run in found:
        name = f"{path}: {run.recipe} of seed {run.seed}"
        if runs.count((run.recipe, run.seed)) > 1:
            raise StoreError(f"{name} is there more than once.")
        outer = [point[0] for point in run.curve]
        if not outer or outer[0] < 0 or any(b <= a for a, b in pairwise(outer)):
            raise StoreError(f"{name}: got outer steps {outer[:5]}, expected some that grow from 0 or later.")
    return found
