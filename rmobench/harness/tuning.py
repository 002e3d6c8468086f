"""Tuning: the same number of scrambled Sobol points of every optimizer's declared space, on seeds of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from scipy.stats import qmc

from rmobench.errors import InputError
from rmobench.harness.plan import Plan
from rmobench.harness.suite import Sweep, expand
from rmobench.registry import ChosenOptimizer, choose_tasks
from rmobench.types import Choice, Linear, OptimizerSpec, Range, Value, selector

N_POINTS = 16
FIRST_SEED = 1_000_000  # tuning seeds count from here; reported seeds count from 0


class Winner(Protocol):
    """The settings that won."""

    @property
    def by_task(self) -> Mapping[str, str]:
        """Return the winner on every task, by the task's label."""
        ...

    @property
    def overall(self) -> str:
        """Return the winner over all tasks."""
        ...


def points(spec: OptimizerSpec, n: int = N_POINTS) -> list[ChosenOptimizer]:
    """Return n settings spread over the optimizer's search space; other hyperparameters keep their defaults.

    Raises:
        InputError: The optimizer declares nothing to search.
    """
    if not spec.search:
        raise InputError(f"{spec.name} declares no search space; there is nothing to tune.")
    shares = qmc.Sobol(len(spec.search), scramble=True, seed=0).random(n)
    return [_setting(spec, dict(zip(spec.search, row, strict=True))) for row in shares.tolist()]


def _setting(spec: OptimizerSpec, shares: Mapping[str, float]) -> ChosenOptimizer:
    chosen = {name: _at(spec.search[name], share) for name, share in shares.items()}
    return ChosenOptimizer(spec=spec, hyper={**spec.defaults, **chosen}, label=selector(spec.name, chosen))


def _at(where: Range, share: float) -> Value:
    """Return the value at a share in [0, 1) of a range, to four digits."""
    match where:
        case Choice(values=values):
            return values[int(share * len(values))]
        case Linear(low=low, high=high):
            return _rounded(low + share * (high - low))
        case _:
            return _rounded(math.exp(math.log(where.low) + share * math.log(where.high / where.low)))


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def tuning_plan(runs: Sequence[Sweep], spec: OptimizerSpec, *, n_points: int = N_POINTS, n_seeds: int = 2) -> Plan:
    """Plan every point on every task of a suite's tables, at their budgets, on tuning seeds; first precision only."""
    first = [msgspec.structs.replace(run, precisions=run.precisions[:1]) for run in runs]
    return expand(first, optimizers=points(spec, n_points), seeds=range(FIRST_SEED, FIRST_SEED + n_seeds))


def tuned_suite(runs: Sequence[Sweep], winners: Mapping[str, Winner], *, n_points: int, n_seeds: int) -> str:
    """Write the suite that measures the winners on reported seeds, as TOML.

    Args:
        runs: Tables that were tuned on.
        winners: By optimizer.
        n_points: Settings that were tried.
        n_seeds: Tuning seeds.
    """
    how = f"the best of {n_points} scrambled Sobol points of the declared space on {n_seeds} tuning seeds"
    said = f"{', '.join(winners)} tuned: {how}, by task (_tuned) and one for all (_tuned_once). By `rmobench tune`."
    lines = [f"description = {json.dumps(said)}"]
    for run in runs:
        labels = [task.label for text in run.tasks for task in choose_tasks(text)]
        budget = [f"{key} = {value}" for key in ("n_calls", "time_s") if (value := getattr(run, key)) is not None]
        ending = [f"precisions = {json.dumps(run.precisions[:1])}", f"seeds = {run.seeds}", *budget]
        once = [f"{name}_tuned_once = {winner.overall}" for name, winner in winners.items()]
        lines += ["", "[[runs]]", f"tasks = {json.dumps(labels)}", f"optimizers = {json.dumps(once)}", *ending]
        for label in labels:
            best = [f"{name}_tuned = {winner.by_task[label]}" for name, winner in winners.items()]
            lines += ["", "[[runs]]", f"tasks = {json.dumps([label])}", f"optimizers = {json.dumps(best)}", *ending]
    return "\n".join(lines) + "\n"
