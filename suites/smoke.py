"""The smoke tier under asv: a class per task of smoke.toml, a parameter combination per (optimizer, precision, budget).

`setup_cache` runs the tier once; the benchmarks only look their number up. asv imports this module in every process,
so it imports neither torch nor pandas; the classes are made here, at import, because that is where asv looks.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rmobench.harness.suite import Sweep, read_suite
from rmobench.registry import ChosenOptimizer, ChosenTask, choose_optimizers, choose_tasks, why_not
from rmobench.report.tracks import TRACKS, benchmark_name, values

SUITE = Path(__file__).with_suffix(".toml")

Found = dict[tuple[str, str, str, int, str], float]
"""What the tier measured, by task, optimizer, precision, budget and track."""


class _Task:
    """One task; the public classes below derive from it."""

    timeout = 60.0  # seconds; a benchmark only reads the cache
    param_names = ("optimizer", "precision", "budget")
    task = ""

    def setup_cache(self) -> Found:
        from rmobench import load

        with tempfile.TemporaryDirectory() as store:
            command = [sys.executable, "-m", "rmobench", "run", str(SUITE), "-j", "1", "--store", store]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return values(load(store))

    setup_cache.timeout = 3600.0  # type: ignore[attr-defined]


def _track(name: str) -> Callable[..., float]:
    def track(self: _Task, found: Found, optimizer: str, precision: str, budget: int) -> float:
        return found.get((self.task, optimizer, precision, budget, name), math.nan)

    track.unit = TRACKS[name].unit  # type: ignore[attr-defined]
    return track


def _classes(runs: tuple[Sweep, ...]) -> dict[str, type[_Task]]:
    """Make a class of each task, with the optimizers, precisions and budgets of all its runs."""
    labels: dict[str, ChosenTask] = {}
    combinations: dict[str, set[tuple[str, str, int]]] = {}
    for run in runs:
        optimizers = [o for text in run.optimizers for o in choose_optimizers(text)]
        for task in (t for text in run.tasks for t in choose_tasks(text)):
            labels[task.label] = task
            combinations.setdefault(task.label, set()).update(_combinations(run, task, optimizers))
    return {
        benchmark_name(label): _class(task, combinations[label])
        for label, task in labels.items()
        if combinations[label]
    }


def _combinations(run: Sweep, task: ChosenTask, optimizers: list[ChosenOptimizer]) -> set[tuple[str, str, int]]:
    budget = run.n_calls or task.spec.budget.n_calls
    return {(o.label, p, budget) for o in optimizers for p in run.precisions if _fits(o, task, p)}


def _fits(optimizer: ChosenOptimizer, task: ChosenTask, precision: str) -> bool:
    """Say whether a pair can run where all optional packages are installed: the list is the same on every machine."""
    return why_not(replace(optimizer.spec, requires=()), replace(task.spec, requires=()), precision) is None


def _class(task: ChosenTask, combinations: set[tuple[str, str, int]]) -> type[_Task]:
    fields = {
        "task": task.label,
        "version": str(task.spec.version),  # asv draws a curve as long as it stays the same
        "params": tuple(sorted(set(values)) for values in zip(*combinations, strict=True)),
        "__doc__": task.spec.summary,
    }
    return type(benchmark_name(task.label), (_Task,), fields | {f"track_{name}": _track(name) for name in TRACKS})


globals().update(_classes(read_suite(str(SUITE)).runs))
