"""The judge: when a point is looked at, what is kept of it, and when the trial is over."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from time import perf_counter

import torch

from rmobench.errors import ContractError, Stop
from rmobench.types import Hit, Point, Problem, Status, Target

DIVERGED = 1e6
"""A relative gap beyond this has grown a million-fold: the trial is over."""

JUDGE_RATIO = 1.05
"""Dear tasks are judged when the step count has grown by 5 %: a rung's step is known to 5 %."""

TRACE_RATIO = 1.25
"""Judged points are kept in the trace when the step count has grown by 25 %."""


class Judge:
    """Judge due iterates on the task's truth, off the clock; keep hits and a thinned trace; raise Stop at the end."""

    def __init__(
        self,
        problem: Problem,
        *,
        target: Target,
        residual_max: float,
        every_step: bool,
        every: int = 1,
        evaluating: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.hits: list[Hit] = []
        self.judge_s = 0.0
        self.last: Point | None = None
        self._trace: list[Point] = []
        self._problem = problem
        self._target = target
        self._residual_max = residual_max
        self._every_step = every_step
        self._every = every
        self._evaluating = evaluating
        self._next_due = 0
        self._next_kept = 0
        self._digest = hashlib.sha256()
        self._shapes = self._layout()

    def due(self, step: int) -> bool:
        """Whether the iterate `step` is judged: every one, or log-spaced on dear tasks."""
        return self._every_step or step >= self._next_due

    def __call__(self, point: Point) -> None:
        """Judge the model as it stands.

        Raises:
            Stop: All rungs are hit, the objective is not finite, or the gap has exploded.
            ContractError: The optimizer changed a parameter's name, shape, type or device.
        """
        began = perf_counter()
        self._check_layout()
        with self._evaluating(), torch.no_grad():
            metrics = _finite_or_none(self._problem.judge(self._problem.model))
        self._keep(replace(point, metrics=metrics))
        self.judge_s += perf_counter() - began
        self._stop_if_over(metrics)

    @property
    def trace(self) -> tuple[Point, ...]:
        """The log-spaced points, with the first and the last."""
        if self.last is None or (self._trace and self._trace[-1].step == self.last.step):
            return tuple(self._trace)
        return (*self._trace, self.last)

    @property
    def trace_sha256(self) -> str:
        """Digest of the counts and metrics of every judged point: equal digests, bit-equal traces."""
        return self._digest.hexdigest()

    @property
    def infeasible(self) -> bool:
        """Whether the last judged point violates the constraint beyond what its precision excuses."""
        return self.last is not None and not self._feasible(self.last.metrics)

    @property
    def residual(self) -> float | None:
        """Constraint violation at the last judged point."""
        return None if self.last is None else self.last.metrics["residual"]

    def _keep(self, point: Point) -> None:
        step, metrics = point.step, point.metrics
        self._next_due = max(step + self._every, math.ceil(step * JUDGE_RATIO))
        self._digest.update(struct.pack("4q", step, point.n_loss, point.n_grad, point.n_hvp))
        self._digest.update(struct.pack(f"{len(metrics)}d", *(math.nan if m is None else m for m in metrics.values())))
        while len(self.hits) < len(self._target.rungs) and self._reached(self._target.rungs[len(self.hits)], metrics):
            self.hits.append(Hit(rung=self._target.rungs[len(self.hits)], point=point))
        if step >= self._next_kept:
            self._trace.append(point)
            self._next_kept = max(step + 1, math.ceil(step * TRACE_RATIO))
        self.last = point

    def _reached(self, rung: float, metrics: Mapping[str, float | None]) -> bool:
        value = metrics[self._target.metric]
        if value is None or not self._feasible(metrics):
            return False
        return value <= rung if self._target.mode == "min" else value >= rung

    def _feasible(self, metrics: Mapping[str, float | None]) -> bool:
        residual = metrics["residual"]
        return residual is not None and residual <= self._residual_max

    def _stop_if_over(self, metrics: Mapping[str, float | None]) -> None:
        value = metrics[self._target.metric]
        if len(self.hits) == len(self._target.rungs):
            raise Stop(Status.solved)
        step = self.last.step if self.last is not None else 0
        if value is None or None in metrics.values():
            names = [name for name, m in metrics.items() if m is None]
            raise Stop(Status.nonfinite, f"{names[0]} is not finite at step {step}")
        if self._target.metric == "gap" and value > DIVERGED:
            raise Stop(Status.diverged, f"the gap is {value:.1e} at step {step}")

    def _layout(self) -> dict[str, tuple[torch.Size, torch.dtype, torch.device]]:
        return {name: (p.shape, p.dtype, p.device) for name, p in self._problem.model.named_parameters()}

    def _check_layout(self) -> None:
        now = self._layout()
        if now == self._shapes:
            return
        for name, expected in self._shapes.items():
            if now.get(name) != expected:
                got = _describe(now[name]) if name in now else "no such parameter"
                raise ContractError(f"the optimizer changed {name}: got {got}, expected {_describe(expected)}.")
        raise ContractError(f"the optimizer added the parameters {sorted(now.keys() - self._shapes.keys())}.")


def _describe(layout: tuple[torch.Size, torch.dtype, torch.device]) -> str:
    shape, dtype, device = layout
    return f"shape {list(shape)}, {str(dtype).removeprefix('torch.')} on {device}"


def _finite_or_none(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
