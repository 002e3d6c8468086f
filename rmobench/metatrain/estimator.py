"""The one interface of the outer gradients."""

from __future__ import annotations

from typing import Protocol

from torch import Generator, Tensor

from rmobench.optimizers.learned.rule import State, Theta


class Inner(Protocol):
    """A batch of inner problems that can be advanced by a window of steps."""

    def begin(self, theta: Theta) -> State:
        """Return the state before the first step, problems first in every tensor."""
        ...

    def window(
        self, theta: Theta, state: State, n_steps: int, *, own: bool = False, order: int = 2
    ) -> tuple[Tensor, State]:
        """Advance every problem; return its loss over the window [n] and the new state."""
        ...


class Estimator(Protocol):
    """Estimates the gradient of the meta-loss from one window of an episode at a time."""

    @property
    def copies(self) -> int:
        """How often every problem must occur in the batch: 2 for antithetic pairs."""
        ...

    def begin(self, theta: Theta, inner: Inner) -> State:
        """Start an episode: return what is carried from window to window, tensors only."""
        ...

    def gradient(
        self, theta: Theta, inner: Inner, memory: State, n_steps: int, generator: Generator
    ) -> tuple[Theta, Tensor, State]:
        """Advance by a window; return the gradient estimate, the losses [n] and the new memory."""
        ...
