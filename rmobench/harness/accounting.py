"""Where a trial's memory goes: parameters, gradients, what a backward pass needs, what a step needs in passing.

With the optimizer's state, which every record has as `state_bytes`, these are all parts of training's memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from rmobench.harness.memory import StorageTracker, bytes_of
from rmobench.types import Oracle, Problem


class MemoryWatch:
    """An oracle that passes everything on, and at each tick looks at what the step has held beside what it leaves."""

    def __init__(self, oracle: Oracle, tracker: StorageTracker) -> None:
        self._oracle = oracle
        self._tracker = tracker
        self._transient = 0
        tracker.begin_step()

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
        """Look at the step, then complete the iterate."""
        self._transient = max(self._transient, self._tracker.own_peak - self._tracker.current)
        self._oracle.tick()
        self._tracker.begin_step()

    def accounts(self, problem: Problem) -> dict[str, float]:
        """Return bytes by the names that records have for them.

        trainable_bytes: parameters that require a gradient. frozen_bytes: all others, and buffers. gradient_bytes: of
        the last call. activation_bytes: made and saved for the backward pass by one call. transient_bytes: beside what
        stays at its end, what a step's own operations hold at once.
        """
        model, params = problem.model, problem.params.values()
        trainable = bytes_of(params)
        return {
            "trainable_bytes": trainable,
            "frozen_bytes": bytes_of((*model.parameters(), *model.buffers())) - trainable,
            "gradient_bytes": bytes_of(p.grad for p in params if p.grad is not None),
            "activation_bytes": self._tracker.saved,
            "transient_bytes": self._transient,
        }
