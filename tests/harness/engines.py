"""What the tests of the engines share."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest

from rmobench.harness.suite import Sweep, expand
from rmobench.harness.sweep import sweep
from rmobench.store import read, write

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray, which is not installed: pip install 'rmobench[cluster]'"
)


KILLS = """
description = "Enough trials to be killed in the middle of."
[[runs]]
tasks = ["rosenbrock[dim=2]", "ackley[dim=5]", "quadratic"]
optimizers = ["adam", "gradient_descent", "heavy_ball", "bfgs", "lbfgs"]
n_calls = 400
"""


def suite_of_kills(folder: Path, *, seeds: int) -> Path:
    path = folder / "kills.toml"
    path.write_text(f"{KILLS}seeds = {seeds}\n")
    return path


def planned(**changes):
    given = {"tasks": ("rosenbrock[dim=2]", "ackley[dim=5]"), "optimizers": ("adam", "bfgs"), "seeds": 2, "n_calls": 60}
    return expand([Sweep(**given | changes)]).trials


def digests(store: Path) -> dict[str, str | None]:
    return {record.id: record.trace_sha256 for record in map(read, store.rglob("*.json"))}


def without_ray(trials, store: Path, **how) -> dict[str, str | None]:
    """Run trials in the local pool, or in this process, and return their digests."""
    assert len(list(sweep(trials, save=partial(write, store), **how))) == len(trials)
    return digests(store)
