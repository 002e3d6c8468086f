"""Tuning: the same number of settings of every optimizer, on seeds of their own.

They are scrambled Sobol points of its declared space, or the values that are given.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from scipy.stats import qmc

from rmobench.errors import InputError
from rmobench.harness.plan import Plan
from rmobench.harness.suite import Sweep, check_precisions, expand
from rmobench.registry import ChosenOptimizer, choose_optimizers, choose_tasks, parse_selector, split_label
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunable:
    """An optimizer to tune, some of its hyperparameters held."""

    label: str
    spec: OptimizerSpec
    held: Mapping[str, Value]
    given: tuple[Mapping[str, Value], ...]
    """Settings of the others: where there are any, they are tried and nothing is searched."""

    @property
    def search(self) -> dict[str, Range]:
        """Return the ranges that are searched."""
        return {name: where for name, where in self.spec.search.items() if name not in self.held}


def tunable(text: str) -> Tunable:
    """Read `name`, `name[param=value]`, `name[param=(value,value)]` or `label = ...`.

    What is given is held and the rest is searched; where several values are given, they are searched and the rest is
    held at its defaults.

    Raises:
        InputError: It names no single registered optimizer, or leaves nothing to search, or several values are no
            list of different ones.
    """
    label, bare = split_label(text)
    name, params = parse_selector(bare)
    several = {key: values for key, values in params.items() if isinstance(values, tuple)}
    for key, values in several.items():
        if len(set(values)) < max(2, len(values)):
            raise InputError(f"got {key}={values} in {text!r}, expected several values, each once.")
    ways = [dict(zip(several, way, strict=True)) for way in itertools.product(*several.values())]
    settings = [choose_optimizers(selector(name, {**params, **way})) for way in ways]
    spec = settings[0][0].spec
    if len(settings[0]) > 1 or spec.name != name:
        raise InputError(f"got {text!r}, expected one registered optimizer, e.g. `plain = rsgd[momentum=0.0]`.")
    hyper = [setting.hyper for (setting,) in settings]
    found = Tunable(
        label=label or name,
        spec=spec,
        held={key: hyper[0][key] for key in params if key not in several},
        given=tuple({key: h[key] for key in several} for h in hyper) if several else (),
    )
    if not (found.given or found.search):
        raise InputError(f"{text} leaves nothing to search; {name} declares {', '.join(spec.search) or 'no range'}.")
    return found


def points(what: Tunable, n: int = N_POINTS) -> list[ChosenOptimizer]:
    """Return n settings: of the search space, spread over it, or those that were given.

    Raises:
        InputError: Another number was given: budgets would differ.
    """
    if what.given:
        if len(what.given) != n:
            raise InputError(
                f"got {len(what.given)} settings of {what.label}, expected {n}: all are tuned with as many."
            )
        return [_chosen(what, way) for way in what.given]
    shares = qmc.Sobol(len(what.search), scramble=True, seed=0).random(n)
    return [_setting(what, dict(zip(what.search, row, strict=True))) for row in shares.tolist()]


def _setting(what: Tunable, shares: Mapping[str, float]) -> ChosenOptimizer:
    return _chosen(what, {name: _at(what.search[name], share) for name, share in shares.items()})


def _chosen(what: Tunable, found: Mapping[str, Value]) -> ChosenOptimizer:
    chosen = {**what.held, **found}
    hyper = {**what.spec.defaults, **chosen}
    return ChosenOptimizer(spec=what.spec, hyper=hyper, label=selector(what.spec.name, chosen))


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


def at_one_precision(runs: Sequence[Sweep], precision: str | None) -> tuple[Sweep, ...]:
    """Return the tables that have a precision, with it alone; None: each with the first it names.

    Raises:
        UnknownNameError: No such precision.
        InputError: No table has it.
    """
    if precision is not None:
        check_precisions((precision,))
        if not any(precision in run.precisions for run in runs):
            named = ", ".join(sorted({name for run in runs for name in run.precisions}))
            raise InputError(f"got --precision {precision}, expected one that the suite has: {named}.")
    chosen = [run for run in runs if precision is None or precision in run.precisions]
    return tuple(msgspec.structs.replace(run, precisions=(precision or run.precisions[0],)) for run in chosen)


def tuning_plan(runs: Sequence[Sweep], what: Tunable, *, n_points: int = N_POINTS, n_seeds: int = 2) -> Plan:
    """Plan every point on every task of the tables (of one precision each), at their budgets, on tuning seeds."""
    return expand(runs, optimizers=points(what, n_points), seeds=range(FIRST_SEED, FIRST_SEED + n_seeds))


def tuned_suite(runs: Sequence[Sweep], winners: Mapping[str, Winner], *, n_points: int, n_seeds: int) -> str:
    """Write the suite that measures the winners on reported seeds, as TOML.

    Args:
        runs: Tables that were tuned on, of one precision each.
        winners: By the label of what was tuned.
        n_points: Settings that were tried.
        n_seeds: Tuning seeds.
    """
    how = f"the best of {n_points} settings on {n_seeds} tuning seed{'s' * (n_seeds > 1)}"
    said = f"{', '.join(winners)} tuned: {how}, by task (_tuned) and one for all (_tuned_once). By `rmobench tune`."
    lines = [f"description = {json.dumps(said)}"]
    for run in runs:
        labels = [task.label for text in run.tasks for task in choose_tasks(text)]
        budget = [f"{key} = {value}" for key in ("n_calls", "time_s") if (value := getattr(run, key)) is not None]
        ending = [f"precisions = {json.dumps(run.precisions)}", f"seeds = {run.seeds}", *budget]
        once = [f"{name}_tuned_once = {winner.overall}" for name, winner in winners.items()]
        lines += ["", "[[runs]]", f"tasks = {json.dumps(labels)}", f"optimizers = {json.dumps(once)}", *ending]
        for label in labels:
            fitting = {name: winner.by_task[label] for name, winner in winners.items() if label in winner.by_task}
            if not fitting:
                continue
            best = [f"{name}_tuned = {setting}" for name, setting in fitting.items()]
            lines += ["", "[[runs]]", f"tasks = {json.dumps([label])}", f"optimizers = {json.dumps(best)}", *ending]
    return "\n".join(lines) + "\n"
