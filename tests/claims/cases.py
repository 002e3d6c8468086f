"""Evidence by hand: suites as tables of records whose truth is known."""

from __future__ import annotations

from typing import Any

from rmobench.claims.metatraining import Curve
from rmobench.types import selector
from tests.statistics.records import solved, trial

HERE, AWAY = "sphere", "griewank"
"""A function that was trained on, and one that was held out."""


def task(function: str, dim: int) -> str:
    return selector("unit_box", {"function": function, "dim": dim, "shifted": False, "rotated": False})


def cell(optimizer: str, steps: float | None, function: str = HERE, dim: int = 2, **changes: Any) -> dict[str, Any]:
    """Make one trial that takes so many steps to the headline, at two calls a step; None: it never gets there."""
    plan = {"optimizer": optimizer, "task": task(function, dim), **changes}
    return trial(**plan) if steps is None else solved(2 * steps, **plan)


def curve(architecture: str, seed: int, *losses: float, step_s: float = 1.0) -> Curve:
    """Make a run that is validated every 100 outer steps, from 100 on."""
    points = tuple((100 * i, 100 * i * step_s, loss) for i, loss in enumerate(losses, start=1))
    return Curve(architecture=architecture, recipe=architecture, recipe_sha256="0" * 64, seed=seed, curve=points)
