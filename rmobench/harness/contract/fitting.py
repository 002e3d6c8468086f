"""Which optimizer a check takes for a task, and which tasks for an optimizer."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rmobench.errors import InputError
from rmobench.harness.plan import Planned, plan
from rmobench.registry import ChosenOptimizer, ChosenTask, choose_tasks, load, tasks, why_not
from rmobench.registry import optimizers as registered
from rmobench.types import Optimizer, Problem

PLAIN, CURVED = "quadratic", "pca_digits"
"""Preferred tasks: one that fits almost everybody, and one on a manifold."""

SMALL_MODEL = "byte_gpt[adapters=attention,batch_size=1,n_judged=2]"

SHAPED = {"gmlstm": "pca_digits", "full_adamw": SMALL_MODEL, "peft_adamw": SMALL_MODEL}
"""Tasks of optimizers that fit few: weights for frames of one shape, layers with adapters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An optimizer and a task that it fits."""

    optimizer: ChosenOptimizer
    task: ChosenTask

    @property
    def name(self) -> str:
        """Return both names."""
        return f"{self.optimizer.label} on {self.task.spec.name}"

    def planned(self, *, precision: str = "fp64", n_calls: int) -> Planned:
        """Plan one trial."""
        made = plan([self.task], [self.optimizer], seeds=[0], precisions=[precision], n_calls=n_calls)
        if not made.trials:
            raise InputError(f"{self.name}: {made.skips[0].reason}.")
        return made.trials[0]

    def build(self) -> tuple[Problem, Optimizer]:
        """Build both in float64 on the CPU."""
        make = load(self.task.spec.location)
        problem: Problem = make(0, torch.device("cpu"), torch.float64, **self.task.args)
        return problem, load(self.optimizer.spec.location)(problem, **self.optimizer.hyper)


def pairs_of(optimizer: ChosenOptimizer) -> list[Pair]:
    """Return an optimizer with a task that it fits, and with one on a manifold if it is made for manifolds."""
    first = task_for(optimizer)
    found = [] if first is None else [first]
    if optimizer.spec.handles and CURVED not in found and _fits(optimizer, CURVED):
        found.append(CURVED)
    return [Pair(optimizer=optimizer, task=choose_tasks(task)[0]) for task in found]


def task_for(optimizer: ChosenOptimizer) -> str | None:
    """Return the first registered task that an optimizer fits, cheap ones first; None: there is none."""
    preferred = SHAPED.get(optimizer.spec.name, PLAIN)
    cheap_first = sorted(tasks(), key=lambda task: not tasks()[task].cheap)
    return next((task for task in (preferred, *cheap_first) if _fits(optimizer, task)), None)


def _fits(optimizer: ChosenOptimizer, task: str) -> bool:
    (chosen,) = choose_tasks(task)
    return why_not(optimizer.spec, chosen.spec, hyper=optimizer.hyper) is None


def optimizer_for(task: str) -> str | None:
    """Return the first registered optimizer that fits a task, Adam before all; None: there is none."""
    names = ("adam", *sorted(registered()))
    return next((name for name in names if why_not(registered()[name], tasks()[task]) is None), None)
