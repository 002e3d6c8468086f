"""Some steps off the record, neither timed nor judged: where they led, and what is kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmobench.harness.memory import NOTHING, bytes_of
from rmobench.harness.precision import DTYPES, one_thread, set_backend
from rmobench.registry import choose_optimizers, choose_tasks, load
from rmobench.types import Optimizer, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What some steps came to."""

    points: NDArray[np.float64]  # all parameters after every step, [n_steps, d]
    param_bytes: int
    state_bytes: int


def walk(
    task: str,
    optimizer: str,
    *,
    n_steps: int,
    precision: str = "fp64",
    seed: int = 0,
    nudged: bool = False,
    within: AbstractContextManager[object] = NOTHING,
) -> Walk:
    """Build a task and an optimizer and step on one core, each step at one gradient.

    Args:
        task: Selector of a task.
        optimizer: Selector of an optimizer that fits it and asks for one gradient a step.
        n_steps: How many.
        precision: Of `types.PRECISIONS`.
        seed: Of the task.
        nudged: Begin one rounding away, at 1 + epsilon times the start: what comes of it is what rounding can do.
        within: Entered for the steps, the task's gradients included, and not for what is built before.
    """
    set_backend(precision)
    with one_thread():
        return _walked(_built(task, precision, seed, nudged), optimizer, n_steps, within)


def _built(task: str, precision: str, seed: int, nudged: bool) -> Problem:
    (chosen,) = choose_tasks(task)
    problem: Problem = load(chosen.spec.location)(seed, torch.device("cpu"), DTYPES[precision], **chosen.args)
    if nudged:
        with torch.no_grad():
            for p in problem.params.values():
                p.mul_(1.0 + torch.finfo(p.dtype).eps)
    return problem


def _walked(problem: Problem, optimizer: str, n_steps: int, within: AbstractContextManager[object]) -> Walk:
    (chosen,) = choose_optimizers(optimizer)
    stepping: Optimizer = load(chosen.spec.location)(problem, **chosen.hyper)

    @torch.enable_grad()
    def gradient() -> Tensor:
        problem.model.zero_grad()
        loss = problem.loss(problem.model, next(problem.batches))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    points: list[Tensor] = []
    with within:
        for _ in range(n_steps):
            stepping.step(gradient)  # type: ignore[arg-type]  # all of an oracle that such a step asks for
            points.append(torch.cat([p.detach().flatten().double() for p in problem.params.values()]))
    stepping.close()
    return Walk(
        points=torch.stack(points).numpy(),
        param_bytes=bytes_of(problem.params.values()),
        state_bytes=bytes_of(stepping.state()),
    )
