"""An oracle that looks closely: it stops after some calls and remembers the gradients as it left them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rmobench.errors import Stop
from rmobench.types import Optimizer, Problem, Status


class WatchfulOracle:
    """Counts no more than calls and ticks, and remembers the first gradient that was not as it filled it."""

    def __init__(self, problem: Problem, *, n_calls: int) -> None:
        self._problem = problem
        self._left = n_calls
        self._gradients: dict[str, Tensor] = {}
        self.n_ticks = 0
        self.changed: str | None = None

    def _loss(self) -> Tensor:
        self._left -= 1
        if self._left < 0:
            raise Stop(Status.budget)
        return self._problem.loss(self._problem.model, next(self._problem.batches))

    def __call__(self) -> Tensor:
        """Return the loss [] and leave fresh gradients in .grad."""
        with torch.enable_grad():
            self._problem.model.zero_grad()
            loss = self._loss()
            loss.backward()  # type: ignore[no-untyped-call]
        self._gradients = {name: p.grad.clone() for name, p in self._problem.params.items() if p.grad is not None}
        return loss.detach()

    def loss(self) -> Tensor:
        """Return the loss [] without gradients."""
        with torch.no_grad():
            return self._loss()

    def hvp(self, v: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the Hessian-vector product by parameter name."""
        with torch.enable_grad():
            params = self._problem.params
            gradients = torch.autograd.grad(self._loss(), list(params.values()), create_graph=True)
            slope = torch.stack([(g * v[name]).sum() for name, g in zip(params, gradients, strict=True)]).sum()
            return dict(zip(params, torch.autograd.grad(slope, list(params.values())), strict=True))

    def tick(self) -> None:
        """Complete an iterate, and look at the gradients."""
        self.n_ticks += 1
        for name, p in self._problem.params.items():
            left = self._gradients.get(name)
            if left is not None and (p.grad is None or not torch.equal(p.grad, left)):
                self.changed = self.changed or f"the gradient of {name} was changed in step {self.n_ticks}"

    def drive(self, optimizer: Optimizer) -> None:
        """Step and tick until the calls are spent, or the solver ends by itself."""
        try:
            while True:
                if isinstance(optimizer.step(self), str):
                    return
                self.tick()
        except Stop:
            return
