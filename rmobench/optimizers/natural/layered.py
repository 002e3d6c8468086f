"""Second-order methods that precondition layer by layer: who is asked when, and what moves how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rmobench.optimizers.natural.layers import Layer, Layers, layers_of
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.torch_style import tensors_in
from rmobench.types import Optimizer, Oracle, Problem

Kept = dict[str, tuple[Tensor, ...]]
"""What a method keeps of a layer, by names of its own. Empty before the first update."""


@dataclass(frozen=True, slots=True)
class Preconditioner:
    """What a method makes of a layer's rows, and of its gradient. Pure."""

    update: Callable[[Layer, int, Kept], Kept]  # of the rows of this step, and how many steps there were before
    precondition: Callable[[Layer, Tensor, Kept], Tensor]  # gradient of W [d_o, d_i (+ 1)] -> direction


@dataclass(slots=True, kw_only=True)
class Memory:
    """What there is from one step to the next, but for the momenta of the mover."""

    period: int  # steps from one update to the next
    t: int = 0  # steps so far
    kept: dict[str, Kept] = field(default_factory=dict)  # by the name of a layer's weight

    @property
    def due(self) -> bool:
        """Return whether the next step updates the preconditioner."""
        return self.t % self.period == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layered(Optimizer):
    """The bench form, and the parts of it that another form needs: to step, to save, and to go on."""

    advance: Callable[[], None]  # a step along the gradients that are there
    layers: Layers
    mover: Momentum
    memory: Memory


def layered(
    owner: str, problem: Problem, method: Preconditioner, mover: Momentum, *, period: int, sharing: str
) -> Layered:
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
    memory = Memory(period=period)
    layers.watch(memory.due)

    @torch.no_grad()
    def advance() -> None:
        params = problem.params
        for layer in layers.layers:
            name = layer.names[0]
            if memory.due and layer.slopes:
                memory.kept[name] = method.update(layer, memory.t, memory.kept.get(name, {}))
            gradient = layer.gradient()
            if gradient is not None:
                parts = layer.parts(method.precondition(layer, gradient, memory.kept.get(name, {})))
                for part_name, part in zip(layer.names, parts, strict=True):
                    mover.move(part_name, params[part_name], part)
        for name in layers.others:
            mover.move(name, params[name], params[name].grad)
        memory.t += 1
        layers.watch(memory.due)

    def step(oracle: Oracle) -> None:
        oracle()
        advance()

    return Layered(
        step,
        state=lambda: tensors_in((memory.kept, mover.past)),
        close=layers.close,
        advance=advance,
        layers=layers,
        mover=mover,
        memory=memory,
    )
