"""What the second-order methods as torch.optim.Optimizer classes share: they look into the layers of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import NoReturn, Self, overload

import torch
from torch import Tensor, nn
from torch.optim.optimizer import StateDict

from rmobench.errors import ArgumentError
from rmobench.optim.loading import Group, check_gradients, evaluated, load_exactly
from rmobench.optimizers.natural.layered import Layered
from rmobench.types import Problem, Value, selector

RULE = "rule"  # in the group: the method with all that does not change from step to step
STEPS = "steps"  # in the group: how many there were
MOMENTUM = "momentum"  # in a parameter's state, beside what the method keeps of the layer


class SecondOrder(torch.optim.Optimizer):
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
        if not isinstance(model, nn.Module):
            raise ArgumentError(
                f"{type(self).__name__}: got {type(model).__name__}, expected a model (torch.nn.Module): its layers "
                "are looked into, so that its parameters alone do not do."
            )
        problem = Problem(model=model, loss=_nothing, batches=iter(()), judge=_nothing)  # the method asks for neither
        self._problem = problem
        self._method = build(problem, **options, **settings)
        self._names = tuple(problem.params)
        self._open = True
        self._passes: Counter[str] = Counter()  # backward passes since the last step, by the layer's weight
        self._handles = [
            layer.module.weight.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                partial(self._count, layer.names[0])
            )
            for layer in self._method.layers.layers
        ]
        rule = selector(build.__name__, settings)
        super().__init__(list(problem.params.items()), {**options, RULE: rule, STEPS: 0})

    def add_param_group(self, param_group: Group) -> None:
        """Refuse a second group.

        Raises:
            ArgumentError: There is one already: the parameters are those of the model.
        """
        if self.param_groups:
            raise ArgumentError(f"{self._owner}: got another group, expected none: the parameters are the model's.")
        super().add_param_group(param_group)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient.

        Args:
            closure: Fills the gradients and returns the loss.

        Returns:
            The loss.

        Raises:
            ArgumentError: It is closed, the parameters are not what they were, the layers saw no backward pass, or a
                gradient cannot be taken; nothing was moved.
        """
        loss = evaluated(closure)
        (group,) = self.param_groups
        self._check(group)
        method = self._method
        method.layers.join(max(self._passes.values(), default=1))
        self._hand_over(group)
        method.advance()
        self._take_back(group)
        self._passes.clear()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, and what the layers saw of the passes that made them."""
        super().zero_grad(set_to_none)
        self._forget()

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue from a state dict, to the bit if the parameters have the type that they had.

        Raises:
            ArgumentError: The state belongs to another method, or to one with other settings; nothing was changed.
        """
        load_exactly(self, super().load_state_dict, state_dict, alike=(RULE,), types=_own_types)
        self._hand_over(self.param_groups[0])
        self._forget()

    def close(self) -> None:
        """Remove the hooks; there is no step after that."""
        self._open = False
        self._method.close()
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> NoReturn:
        raise ArgumentError(
            f"{self._owner} hangs on the layers of its model and cannot be copied or pickled. Save its state_dict() "
            "and load it into one that is built on the other model."
        )

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _count(self, name: str, _: Tensor) -> None:
        self._passes[name] += 1

    def _forget(self) -> None:
        self._passes.clear()
        self._method.layers.watch(self._method.memory.due)

    def _hand_over(self, group: Group) -> None:
        """Give the method what torch keeps."""
        mover, memory = self._method.mover, self._method.memory
        mover.lr, mover.momentum, mover.weight_decay = group["lr"], group["momentum"], group["weight_decay"]
        states = {name: self.state[p] for name, p in self._pairs(group) if p in self.state}
        mover.past = {name: state[MOMENTUM] for name, state in states.items() if MOMENTUM in state}
        kept = {name: {key: state[key] for key in state if key != MOMENTUM} for name, state in states.items()}
        memory.t, memory.kept = group[STEPS], {name: of_layer for name, of_layer in kept.items() if of_layer}

    def _take_back(self, group: Group) -> None:
        """Let torch keep what the method left."""
        mover, memory = self._method.mover, self._method.memory
        for name, p in self._pairs(group):
            past = {MOMENTUM: mover.past[name]} if name in mover.past else {}
            if state := memory.kept.get(name, {}) | past:
                self.state[p] = state
        group[STEPS] = memory.t

    def _pairs(self, group: Group) -> zip[tuple[str, Tensor]]:
        return zip(self._names, group["params"], strict=True)

    def _check(self, group: Group) -> None:
        if not self._open:
            raise ArgumentError(f"{self._owner}: got a step after close(), expected none: build another one.")
        now = self._problem.params.values()
        if [id(p) for p in now] != [id(p) for p in group["params"]]:
            raise ArgumentError(
                f"{self._owner}: got a model with other trainable parameters ({len(now)}) than the {len(self._names)} "
                "that it was built on. Build another one after freezing, thawing or replacing parameters."
            )
        check_gradients(self, group)
        layers = [layer for layer in self._method.layers.layers if layer.module.weight.grad is not None]
        if layers and self._method.memory.due and not any(layer.slopes for layer in layers):
            raise ArgumentError(
                f"{self._owner}: got gradients, but saw no backward pass through the model's layers. Call the model "
                "itself, not a copy, after the optimizer is built, and zero_grad before the backward pass."
            )


def _nothing(*_: object) -> NoReturn:
    raise AssertionError


def _own_types(group: Group) -> dict[Tensor, torch.dtype]:
    return {p: p.dtype for p in group["params"]}
