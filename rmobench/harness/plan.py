"""What to run: every optimizer on every task that it fits, in randomised blocks."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rmobench.errors import InputError
from rmobench.registry import ChosenOptimizer, ChosenTask, weights_sha256, why_not
from rmobench.types import Budget, OptimizerSpec, Skip, TaskSpec, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A trial with the specs it was planned from."""

    trial: Trial
    task: TaskSpec
    optimizer: OptimizerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A trial that could not be built as asked."""

    planned: Planned
    reason: str
    wrong_input: bool  # the user's input is at fault, not a missing package

    @property
    def skip(self) -> Skip:
        """Return the refusal as the reports show it."""
        trial = self.planned.trial
        return Skip(task=trial.task_label, optimizer=trial.label, precision=trial.precision, reason=self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Trials in the order of running, and the pairs that cannot run."""

    trials: tuple[Planned, ...] = ()
    skips: tuple[Skip, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()  # (label, trial id): two labels can be one trial, which is planned once

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of all trials."""
        return frozenset(p.trial.id for p in self.trials)

    def without_skips(self) -> Plan:
        """Return the plan without its skips."""
        return replace(self, skips=())

    def only(self, trials: Iterable[Planned]) -> Plan:
        """Return the plan with some of its trials."""
        return replace(self, trials=tuple(trials))


def plan(
    tasks: Sequence[ChosenTask],
    optimizers: Sequence[ChosenOptimizer],
    *,
    seeds: Sequence[int],
    precisions: Sequence[str] = ("fp64",),
    device: Literal["cpu", "cuda"] = "cpu",
    n_calls: int | None = None,
    time_s: float | None = None,
    threads: int = 1,
) -> Plan:
    """Pair every task with every optimizer that fits it.

    A block is one (task, precision, seed): all its optimizers follow each other in random order, so that slow drifts
    of the machine fall on all alike. Seeds are outermost: an interrupted sweep has whole seeds.

    Args:
        tasks: With their arguments.
        optimizers: With their hyperparameters.
        seeds: Each gives every optimizer the same start and data.
        precisions: Of `types.PRECISIONS`.
        device: Where the trials run.
        n_calls: Budget in oracle calls, instead of the task's own.
        time_s: Budget in timed seconds, instead of the task's own.
        threads: Of the CPU backend, per trial.

    Raises:
        InputError: Two settings have one label.
    """
    _check_labels(optimizers)
    skips = tuple(_skips(tasks, optimizers, precisions, device))
    unfit = {(s.task, s.optimizer, s.precision) for s in skips}
    weights = {chosen.label: weights_sha256(chosen.spec, chosen.hyper) for chosen in optimizers}
    trials: dict[str, Planned] = {}
    labels: dict[tuple[str, str], None] = {}
    for seed in seeds:
        for task in tasks:
            for precision in precisions:
                fit = [o for o in optimizers if (task.label, o.label, precision) not in unfit]
                for chosen in _shuffled(fit, f"{task.label}/{precision}/{seed}"):
                    trial = Trial(
                        task=task.spec.name,
                        args=task.args,
                        task_version=task.spec.version,
                        optimizer=chosen.spec.name,
                        hyper=chosen.hyper,
                        optimizer_version=chosen.spec.version,
                        seed=seed,
                        device=device,
                        precision=precision,
                        budget=_budget(task.spec.budget, n_calls, time_s),
                        threads=threads,
                        weights_sha256=weights[chosen.label],
                        label=chosen.label,
                    )
                    id_ = trial.id
                    labels[chosen.label, id_] = None
                    trials.setdefault(id_, Planned(trial=trial, task=task.spec, optimizer=chosen.spec))
    return Plan(trials=tuple(trials.values()), skips=skips, labels=tuple(labels))


def join(plans: Iterable[Plan]) -> Plan:
    """Put plans after one another; a trial that two of them hold runs once."""
    trials: dict[str, Planned] = {}
    skips: dict[Skip, None] = {}
    labels: dict[tuple[str, str], None] = {}
    for part in plans:
        for planned in part.trials:
            trials.setdefault(planned.trial.id, planned)
        skips |= dict.fromkeys(part.skips)
        labels |= dict.fromkeys(part.labels)
    return Plan(trials=tuple(trials.values()), skips=tuple(skips), labels=tuple(labels))


def shard(whole: Plan, index: int, count: int) -> Plan:
    """Return the index-th of count parts (from 1); blocks stay whole, so every shard compares like with like."""

    def mine(planned: Planned) -> bool:
        trial = planned.trial
        block = f"{trial.task_label}/{trial.precision}/{trial.seed}"
        return _number(block) % count == index - 1

    return whole.only(p for p in whole.trials if mine(p))


def _check_labels(optimizers: Sequence[ChosenOptimizer]) -> None:
    named: dict[str, ChosenOptimizer] = {}
    for chosen in optimizers:
        other = named.setdefault(chosen.label, chosen)
        if (other.spec.name, dict(other.hyper)) != (chosen.spec.name, dict(chosen.hyper)):
            raise InputError(f"got the label {chosen.label!r} for two optimizers; give each a label of its own.")


def _skips(
    tasks: Sequence[ChosenTask], optimizers: Sequence[ChosenOptimizer], precisions: Sequence[str], device: str
) -> Iterator[Skip]:
    for task in tasks:
        for chosen in optimizers:
            for precision in precisions:
                reason = why_not(chosen.spec, task.spec, precision, device, chosen.hyper, task.args)
                if reason is not None:
                    yield Skip(task=task.label, optimizer=chosen.label, precision=precision, reason=reason)


def _budget(own: Budget, n_calls: int | None, time_s: float | None) -> Budget:
    return Budget(n_calls=own.n_calls if n_calls is None else n_calls, time_s=own.time_s if time_s is None else time_s)


def _shuffled(optimizers: Sequence[ChosenOptimizer], block: str) -> list[ChosenOptimizer]:
    order = list(optimizers)
    random.Random(_number(block)).shuffle(order)
    return order


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
