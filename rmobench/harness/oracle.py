"""The oracle: the only way an optimizer sees the problem, and the place where everything is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from rmobench.errors import ContractError, Stop
from rmobench.harness.clock import Clock
from rmobench.harness.judging import Judge
from rmobench.harness.memory import NoMeter
from rmobench.harness.precision import no_autocast
from rmobench.types import Budget, Point, Problem, Status


class Meter(Protocol):
    """Who measures memory is told when the oracle and when the judge are at work."""

    def asking(self) -> AbstractContextManager[object]:
        """The oracle evaluates the task."""
        ...

    def aside(self) -> AbstractContextManager[object]:
        """The judge looks at the model."""
        ...


NO_METER: Meter = NoMeter()


class CountingOracle:
    """Count losses, gradients and Hessian-vector products; stop at the budget; judge when due, off the clock."""

    def __init__(
        self,
        problem: Problem,
        *,
        budget: Budget,
        judge: Judge,
        clock: Clock,
        meter: Meter = NO_METER,
        autocast: Callable[[], AbstractContextManager[object]] = no_autocast,
    ) -> None:
        self.n_step = self.n_loss = self.n_grad = self.n_hvp = 0
        self._problem = problem
        self._budget = budget
        self._judge = judge
        self._clock = clock
        self._aside = meter.aside
        self._asking = meter.asking
        self._with_gradients = torch.enable_grad()
        self._autocast = autocast
        self._left = self._left_at_tick = budget.n_calls
        self._batch = next(problem.batches)
        self._parameters = tuple(problem.model.parameters())

    def __call__(self) -> Tensor:
        """Return the loss [] and leave fresh gradients in .grad."""
        self._spend()
        self.n_grad += 1
        problem = self._problem
        for parameter in self._parameters:
            parameter.grad = None
        with self._asking(), self._with_gradients:
            with self._autocast():
                loss = problem.loss(problem.model, self._batch)
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self) -> Tensor:
        """Return the loss [] without gradients."""
        self._spend()
        self.n_loss += 1
        with self._asking(), torch.no_grad(), self._autocast():
            return self._problem.loss(self._problem.model, self._batch)

    def hvp(self, v: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the Hessian-vector product by parameter name, by double backward."""
        self._spend()
        self.n_hvp += 1
        params = self._problem.params
        points = list(params.values())
        with self._asking(), self._with_gradients:
            with self._autocast():
                loss = self._problem.loss(self._problem.model, self._batch)
            gradients = torch.autograd.grad(loss, points, create_graph=True, materialize_grads=True)
            slope = torch.stack([(g * v[name]).sum() for name, g in zip(params, gradients, strict=True)]).sum()
            products = torch.autograd.grad(slope, points, materialize_grads=True)
        return dict(zip(params, products, strict=True))

    def begin(self) -> None:
        """Judge the start, then start the clock."""
        self._look()
        self._clock.start()

    def tick(self) -> None:
        """Complete an iterate: clock off, judge if due, next batch.

        Between due iterates of an asynchronous device the clock runs on, since stopping it would stall the device.
        """
        self.n_step += 1
        self._charge_idle()
        over = self._left <= 0 or self.n_step >= self._budget.n_calls
        due = over or self._judge.due(self.n_step)
        pause = due or not self._clock.asynchronous
        if pause:
            self._clock.stop()
        if due:
            self._look()
        if over:
            raise Stop(Status.budget)
        self._batch = next(self._problem.batches)
        if pause:
            self._clock.start()

    def _look(self) -> None:
        """Judge the iterate, off the clock and off the memory record."""
        with self._aside():
            self._judge(self.point())
        self._parameters = tuple(self._problem.model.parameters())  # walking a network's modules is not free

    def _charge_idle(self) -> None:
        """A step that asked nothing pays for one loss; a first step that asks nothing never will ask."""
        if self._left == self._left_at_tick:
            if self.n_step == 1:
                raise ContractError(
                    "the first step asked the oracle nothing. A torch-style class either calls the closure that step "
                    "receives, or its step has no parameter `closure` and finds fresh gradients in .grad."
                )
            self.n_loss += 1
            self._left -= 1
        self._left_at_tick = self._left

    def point(self) -> Point:
        """Return the counts and seconds so far, without metrics."""
        return Point(
            step=self.n_step,
            n_loss=self.n_loss,
            n_grad=self.n_grad,
            n_hvp=self.n_hvp,
            time_s=self._clock.elapsed_s,
            metrics={},
        )

    def _spend(self) -> None:
        if self._left <= 0:
            raise Stop(Status.budget)
        if self._clock.now_s > self._budget.time_s:
            raise Stop(Status.timeout)
        self._left -= 1
