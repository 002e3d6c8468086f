"""How parameters move along preconditioned gradients, and those without a preconditioner along their gradients."""

from __future__ import annotations

import torch
from torch import Tensor


class Momentum:
    """The heavy ball, v <- momentum v + g + weight_decay x and x <- x - lr v, parameter by parameter.

    Source: Polyak 1964, USSR Comput. Math. Math. Phys. 4(5), in the form of torch.optim.SGD.
    """

    def __init__(self, *, lr: float, momentum: float, weight_decay: float) -> None:
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.past: dict[str, Tensor] = {}

    @torch.no_grad()
    def move(self, name: str, x: Tensor, g: Tensor | None) -> None:
        """Move x [...] in place along what stands for its gradient; None leaves it where it is."""
        if g is None:
            return
        v = velocity(x, g, self.past.get(name), momentum=self.momentum, weight_decay=self.weight_decay)
        if self.momentum:
            self.past[name] = v
        x.sub_(self.lr * v)


def velocity(x: Tensor, g: Tensor, past: Tensor | None, *, momentum: float, weight_decay: float = 0.0) -> Tensor:
    """Return v of the heavy ball, [...], from the one before; None where there is none."""
    v = g + weight_decay * x
    return v if past is None else v + momentum * past
