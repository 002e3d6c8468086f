"""Optimizers as torch.optim.Optimizer classes that look into the layers of a model, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self, overload

import torch
from torch import Tensor, nn
from torch.optim.optimizer import StateDict

from rmobench.errors import ArgumentError
from rmobench.optim.loading import Group, check_gradients, evaluated, load_exactly
from rmobench.types import Problem

RULE = "rule"  # in the group: the method with all that does not change from step to step
STEPS = "steps"  # in the group: how many there were

State = dict[str, Any]


class Engine(Protocol):
    """A method that hangs on the layers of a model; between steps torch keeps its state, by parameter name."""

    def take(self, group: Group, states: Mapping[str, State]) -> None:
        """Take the options of the step to come, and the state."""
        ...

    def doubt(self) -> None:
        """Take the parameters for others than they were: a state was loaded."""
        ...

    def ready(self, owner: str) -> None:
        """Raise ArgumentError, beginning with the owner, where the layers have not seen what a step needs."""
        ...

    def advance(self) -> None:
        """Move the parameters."""
        ...

    def give(self) -> Mapping[str, State]:
        """Return the state, by the parameters' names."""
        ...

    def forget(self) -> None:
        """Drop what the layers saw."""
        ...

    def working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        """Return the type of the state of every parameter."""
        ...

    def close(self) -> None:
        """Remove the hooks."""
        ...


class OnLayers(torch.optim.Optimizer):
    """A method that sees how a model's layers are called. Its one group has options, which schedulers may change.

    Hooks stay in the model until `close`, or until the end of a `with` block. Copies of the model are not looked into.
    This optimizer's own `zero_grad` drops what an unwanted backward pass left. What is done to `.grad` between the
    backward pass and the step, as by torch.amp.GradScaler, does not reach what the layers saw.
    """

    def __init__(
        self, model: nn.Module, build: Callable[[Problem], Engine], rule: str, options: Mapping[str, float]
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ArgumentError(
                f"{type(self).__name__}: got {type(model).__name__}, expected a model (torch.nn.Module): its layers "
                "are looked into, so that its parameters alone do not do."
            )
        problem = Problem(model=model, loss=_nothing, batches=iter(()), judge=_nothing)  # the method asks for neither
        self._problem = problem
        self._engine = build(problem)
        self._names = tuple(problem.params)
        self._open = True
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
            ArgumentError: It is closed, the parameters are not what they were, the layers saw no backward pass, or an
                option or a gradient cannot be taken; nothing was moved.
        """
        loss = evaluated(closure)
        (group,) = self.param_groups
        self._check(group)
        self._hand_over(group)
        self._engine.ready(self._owner)
        self._engine.advance()
        states = self._engine.give()
        for name, p in self._pairs(group):
            if name in states:
                self.state[p] = states[name]
        group[STEPS] += 1
        self._engine.forget()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, and what the layers saw of the passes that made them."""
        super().zero_grad(set_to_none)
        self._engine.forget()

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue from a state dict, to the bit if the parameters have the type that they had.

        Raises:
            ArgumentError: The state belongs to another method, or to one with other settings; nothing was changed.
        """
        load_exactly(self, super().load_state_dict, state_dict, alike=(RULE,), types=self._engine.working_types)
        self._hand_over(self.param_groups[0])
        self._engine.doubt()
        self._engine.forget()

    def close(self) -> None:
        """Remove the hooks; there is no step after that."""
        self._open = False
        self._engine.close()

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

    def _hand_over(self, group: Group) -> None:
        self._engine.take(group, {name: self.state[p] for name, p in self._pairs(group) if p in self.state})

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


def unseen(owner: str) -> ArgumentError:
    """Return the error of gradients without a backward pass through the layers."""
    return ArgumentError(
        f"{owner}: got gradients, but saw no backward pass through the model's layers. Call the model itself, not a "
        "copy, after the optimizer is built, and zero_grad before the backward pass."
    )


def _nothing(*_: object) -> NoReturn:
    raise AssertionError
