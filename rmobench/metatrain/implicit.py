"""Implicit differentiation: the inner run is treated as the fixed point of its last step.

Source: Fan, Gao, Wu, Jia, Harandi 2022, AAAI (I-RMO); the series: Lorraine, Vicol, Duvenaud 2020, AISTATS.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.metatrain.estimator import Inner
from rmobench.optimizers.learned.rule import State, Theta


@dataclass(frozen=True, slots=True)
class Implicit:
    """Solve for the adjoint of x = Phi(x, theta) by a Neumann series instead of unrolling.

    The window's last step is Phi, the steps before it leave no graph. With the loss L at its result, A = dPhi/dx and
    J = I - A, the estimate is (dPhi/dtheta)^T J^-T dL/dx with J^-T = alpha sum_k (I - alpha J^T)^k, k = 0 ... n_terms.
    What the rule keeps besides x is held constant. Exact where the run has converged to a point that depends on theta,
    and the series too; the minimum of an inner problem does not, so the estimate is a heuristic, as published.
    Memory does not grow with the window.

    Args:
        n_terms: Terms of the series after the first.
        alpha: Its step; the series converges where the eigenvalues of J lie within (0, 2 / alpha).
    """

    n_terms: int = 5
    alpha: float = 0.1
    copies: int = 1

    def begin(self, theta: Theta, inner: Inner) -> State:
        """Carry the inner state alone."""
        return {name: t.detach() for name, t in inner.begin(theta).items()}

    def gradient(
        self, theta: Theta, inner: Inner, memory: State, n_steps: int, generator: Generator
    ) -> tuple[Theta, Tensor, State]:
        """Run the window, then differentiate its last step implicitly."""
        losses, state = memory["x"].new_zeros(len(memory["x"])), memory
        if n_steps > 1:
            with torch.no_grad():
                losses, state = inner.window(theta, memory, n_steps - 1)
        leaves = {name: t.detach().requires_grad_() for name, t in theta.items()}
        x = state["x"].detach().requires_grad_()
        last, after = inner.window(leaves, state | {"x": x}, 1)
        y = after["x"]
        (slope,) = torch.autograd.grad(last.mean(), y, retain_graph=True)
        term, adjoint = slope, slope.clone()
        for _ in range(self.n_terms):
            (back,) = torch.autograd.grad(y, x, term, retain_graph=True)
            term = term - self.alpha * (term - back)
            adjoint = adjoint + term
        gradients = torch.autograd.grad(y, list(leaves.values()), self.alpha * adjoint, materialize_grads=True)
        mean = ((n_steps - 1) * losses + last.detach()) / n_steps
        return dict(zip(leaves, gradients, strict=True)), mean, {k: t.detach() for k, t in after.items()}
