"""The second-order methods of the bench as the engine of a torch.optim.Optimizer class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from rmobench.optim.loading import Group
from rmobench.optim.on_layers import STEPS, OnLayers, State, unseen
from rmobench.optimizers.natural.layered import Layered
from rmobench.types import Value, selector

MOMENTUM = "momentum"  # in a parameter's state, beside what the method keeps of the layer


class Preconditioning:
    """A method that preconditions the Linear and Conv2d layers of a model, and counts the backward passes of each."""

    def __init__(self, method: Layered) -> None:
        self._method = method
        self._passes: Counter[str] = Counter()  # since the last step, by the layer's weight
        self._handles = [
            layer.module.weight.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                partial(self._count, layer.names[0])
            )
            for layer in method.layers.layers
        ]

    def take(self, group: Group, states: Mapping[str, State]) -> None:
        """Take the options of the step to come, and the state."""
        mover, memory = self._method.mover, self._method.memory
        mover.lr, mover.momentum, mover.weight_decay = group["lr"], group["momentum"], group["weight_decay"]
        mover.past = {name: state[MOMENTUM] for name, state in states.items() if MOMENTUM in state}
        kept = {name: {key: state[key] for key in state if key != MOMENTUM} for name, state in states.items()}
        memory.t, memory.kept = group[STEPS], {name: of_layer for name, of_layer in kept.items() if of_layer}

    def doubt(self) -> None:
        """Nothing is known of the parameters."""

    def ready(self, owner: str) -> None:
        """Raise ArgumentError where layers have gradients and none saw a backward pass."""
        layers = [layer for layer in self._method.layers.layers if layer.module.weight.grad is not None]
        if layers and self._method.memory.due and not any(layer.slopes for layer in layers):
            raise unseen(owner)

    def advance(self) -> None:
        """Move the parameters."""
        self._method.layers.join(max(self._passes.values(), default=1))
        self._method.advance()

    def give(self) -> dict[str, State]:
        """Return the state, by the parameters' names."""
        past = {name: {MOMENTUM: of_parameter} for name, of_parameter in self._method.mover.past.items()}
        kept = self._method.memory.kept
        return {name: {**kept.get(name, {}), **past.get(name, {})} for name in (*kept, *past)}

    def forget(self) -> None:
        """Drop what the layers saw; they look at the next pass if the factors are due."""
        self._passes.clear()
        self._method.layers.watch(self._method.memory.due)

    def working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        """Return the types of the parameters."""
        return {p: p.dtype for p in group["params"]}

    def close(self) -> None:
        """Remove the hooks."""
        self._method.close()
        for handle in self._handles:
            handle.remove()

    def _count(self, name: str, _: Tensor) -> None:
        self._passes[name] += 1


class SecondOrder(OnLayers):
    """A method that preconditions the Linear and Conv2d layers of a model; all other parameters take the heavy ball.

    Among the others are layers with groups or padding by name, and layers whose weights are used without a call of
    them, as in nn.MultiheadAttention. The one group has `lr`, `momentum` and `weight_decay`, which schedulers may
    change. The state has the type of the parameters.

    The loss is a mean over the samples of a batch. Where gradients of several batches add up before a step, each loss
    is divided by their number, and together they count as one batch; this optimizer's own `zero_grad` drops what an
    unwanted backward pass left. Losses that are scaled otherwise, as by torch.amp.GradScaler, bend the curvature.

    Hooks stay in the model until `close`, or until the end of a `with` block. Copies of the model are not looked into.
    """

    def __init__(
        self,
        model: nn.Module,
        build: Callable[..., Layered],
        options: Mapping[str, float],
        settings: Mapping[str, Value],
    ) -> None:
        super().__init__(
            model,
            lambda problem: Preconditioning(build(problem, **options, **settings)),
            selector(build.__name__, settings),
            options,
        )
