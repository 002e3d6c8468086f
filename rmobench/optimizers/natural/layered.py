"""Second-order methods that precondition layer by layer: who is asked when, and what moves how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.optimizers.natural.layers import Layer, layers_of
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.torch_style import tensors_in
from rmobench.types import Optimizer, Oracle, Problem


@dataclass(frozen=True, slots=True)
class Preconditioner:
    """What a method keeps of every layer, and what it makes of a gradient."""

    update: Callable[[Layer, int], None]  # from the layer's rows of this step, and how many steps there were before
    precondition: Callable[[Layer, Tensor], Tensor]  # gradient of W [d_o, d_i (+ 1)] -> direction
    state: Callable[[], Iterable[object]]


def layered(
    owner: str, problem: Problem, method: Preconditioner, mover: Momentum, *, period: int, sharing: str
) -> Optimizer:
    """Precondition the gradients of all layers that are matrices; all other parameters take the heavy ball.

    Args:
        owner: Whose options these are, as messages begin.
        problem: Any.
        method: Of the preconditioner.
        mover: How parameters move along what comes out of it.
        period: Steps from one update of the preconditioner to the next.
        sharing: "expand" or "reduce": how positions that share a weight count.

    Raises:
        ArgumentError: `sharing` is neither.
    """
    layers = layers_of(owner, problem, sharing=sharing)
    layers.watch(True)
    t = 0

    def step(oracle: Oracle) -> None:
        nonlocal t
        due = t % period == 0
        oracle()
        params = problem.params
        with torch.no_grad():
            for layer in layers.layers:
                if due and layer.slopes:
                    method.update(layer, t)
                gradient = layer.gradient()
                if gradient is not None:
                    parts = layer.parts(method.precondition(layer, gradient))
                    for name, part in zip(layer.names, parts, strict=True):
                        mover.move(name, params[name], part)
        for name in layers.others:
            mover.move(name, params[name], params[name].grad)
        t += 1
        layers.watch(t % period == 0)

    return Optimizer(step, state=lambda: tensors_in((method.state(), mover.past)), close=layers.close)
