"""Truncated back-propagation: it sees the window, and nothing before its beginning.

Source: Werbos 1990, Proc. IEEE 78(10); on its bias, Wu, Ren, Liao, Grosse 2018, ICLR, arXiv 1803.02021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.metatrain.estimator import Inner
from rmobench.optimizers.learned.rule import State, Theta


@dataclass(frozen=True, slots=True)
class Truncated:
    """Differentiate the window's mean loss, its first state held constant.

    Order 1 holds the objective's gradients constant too: cheaper, and biased within the window. Order 2 is exact but
    where `unroll` shortens what flows back through an iterate, so that a chaotic problem does not drown the others.
    """

    order: int = 2
    copies: int = 1

    def begin(self, theta: Theta, inner: Inner) -> State:
        """Carry the inner state alone."""
        return {name: t.detach() for name, t in inner.begin(theta).items()}

    def gradient(
        self, theta: Theta, inner: Inner, memory: State, n_steps: int, generator: Generator
    ) -> tuple[Theta, Tensor, State]:
        """Differentiate one window."""
        leaves = {name: t.detach().requires_grad_() for name, t in theta.items()}
        losses, state = inner.window(leaves, memory, n_steps, order=self.order)
        gradients = torch.autograd.grad(losses.mean(), list(leaves.values()), materialize_grads=True)
        return dict(zip(leaves, gradients, strict=True)), losses.detach(), {k: t.detach() for k, t in state.items()}
