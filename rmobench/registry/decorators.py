"""`@optimizer` and `@task`: what a registered function says about itself.

The registry reads these decorators from the source without running it, so their arguments are literals, calls of the
value types in `rmobench.types` (Log, Linear, Choice, Target, Budget) or its upper-case constants. When the file is
imported, the decorator only checks its keywords: the function stays a plain function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rmobench.types import Budget, Range, Target, Value

Build = TypeVar("Build", bound=Callable[..., Any])


def optimizer(
    *,
    family: str,
    source: str,
    version: int = 1,
    needs: tuple[str, ...] = (),
    handles: tuple[str, ...] = (),
    search: Mapping[str, Range] | None = None,
    upcasts: str | None = None,
    requires: tuple[str, ...] = (),
    weights: bool = False,
) -> Callable[[Build], Build]:
    """Register `build(problem, *, hyper=default, ...) -> Optimizer` under its own name.

    Args:
        family: Room of the file: classical, riemannian, natural, lowrank, learned.
        source: Publication or implementation it follows.
        version: Raise it when results change: it is part of every trial's id.
        needs: Traits that a task must offer.
        handles: Constraints (names of manifolds) that its iterates keep.
        search: Task-agnostic hyperparameter ranges for tuning.
        upcasts: Widest type that it computes in by design, whatever the precision: "float32" or "float64".
        requires: Optional packages, by import name.
        weights: It is learned: its hyperparameter `weights` names a .safetensors file, packaged ones by their stem in
            the folder weights/ beside the source. The file's hash enters the trial's id.
    """
    return lambda build: build


def task(
    *,
    family: str,
    source: str,
    version: int = 1,
    offers: tuple[str, ...] = (),
    constraint: str | None = None,
    target: Target | None = None,
    budget: Budget | None = None,
    cheap: bool = True,
    judge_every: int = 1,
    requires: tuple[str, ...] = (),
    data: bool = False,
    brought: Mapping[str, Mapping[str, Value]] | None = None,
) -> Callable[[Build], Build]:
    """Register `build(seed, device, dtype, *, arg=default, ...) -> Problem` under its own name.

    Args:
        family: Room of the file: analytic, orthogonal, covariance, language, pose.
        source: Publication or data it comes from.
        version: Raise it when results change: it is part of every trial's id.
        offers: Traits, e.g. deterministic, second_order, matrix_parameters.
        constraint: Name of the manifold that its parameters live on; optimizers must handle it. A task that lives
            on one of several has an argument `manifold`, whose value goes before.
        target: Rungs to reach; default: the relative-gap ladder.
        budget: What one trial may spend.
        cheap: Judge every iterate; False: on the log-spaced schedule.
        judge_every: Least number of steps from one judgement to the next, where judging costs as much as a step.
        requires: Optional packages, by import name.
        data: It is made of real data: its argument `data`, and `model` where it has one, names a source of
            `rmobench.data`; where that is not on the machine, the task is skipped.
        brought: By name of a source that users bring (`--data NAME=PATH`): arguments that take the place of the
            defaults where it is brought.
    """
    return lambda build: build
