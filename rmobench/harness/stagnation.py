"""Which entries a step leaves as they were although they have a gradient: the step was rounded away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from rmobench.types import Oracle, Problem


class StagnationWatch:
    """An oracle that passes everything on, and at each tick counts the entries that the step did not change.

    An entry counts where the last gradient of the step is finite and not zero. Watching copies every parameter, so only
    untimed runs are watched.
    """

    def __init__(
        self, oracle: Oracle, problem: Problem, *, aside: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._oracle = oracle
        self._problem = problem
        self._aside = aside  # what is copied here is not the trial's memory
        self._n_pushed = self._n_still = 0
        self._before = self._copies()

    def __call__(self) -> Tensor:
        """Return the loss [] and leave fresh gradients in .grad."""
        return self._oracle()

    def loss(self) -> Tensor:
        """Return the loss [] without gradients."""
        return self._oracle.loss()

    def hvp(self, v: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the Hessian-vector product by parameter name."""
        return self._oracle.hvp(v)

    def tick(self) -> None:
        """Look at what the step has changed, then complete the iterate."""
        with self._aside(), torch.no_grad():
            self._look()
            self._before = self._copies()
        self._oracle.tick()

    @property
    def share(self) -> float | None:
        """Entries left as they were over entries with a gradient, of all steps together; None: no gradient yet."""
        return self._n_still / self._n_pushed if self._n_pushed else None

    def _look(self) -> None:
        for name, p in self._problem.params.items():
            if p.grad is not None:
                pushed = p.grad.isfinite() & (p.grad != 0)
                self._n_pushed += int(pushed.sum())
                self._n_still += int((pushed & (p == self._before[name])).sum())

    def _copies(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self._problem.params.items()}
