"""The learned rules as torch.optim.Optimizer classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from rmobench.errors import ArgumentError, InputError
from rmobench.optim.loading import Group, check_gradients, evaluated, load_exactly
from rmobench.optimizers.learned import adafactor_mlp, mlp_lopt, optimus
from rmobench.optimizers.learned.lift import Trained
from rmobench.optimizers.learned.rule import Architecture, working_type
from rmobench.optimizers.learned.weights import load_weights

RULE = "rule"  # in every group: which rule the state belongs to
MEMBERS = "members"  # beside a vector's state: positions in the group of the parameters that it is made of


class Learned(torch.optim.Optimizer):
    """A trained rule that sees every parameter by itself. The one option of a group is `lr`, a factor of the step.

    The state keeps the type that the rule computes in: float64 for float64 parameters, float32 for all others. A state
    dict does not hold the weights: load it into an optimizer with the same ones. Deep copies and pickles hold them.
    """

    def __init__(self, params: ParamsT, architecture: Architecture, name: str, weights: str | Path, lr: float) -> None:
        self._trained = Trained(architecture, load_weights(str(weights), name))
        super().__init__(params, {"lr": lr, RULE: name})

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters, with a factor of their own if "lr" is given.

        Raises:
            ArgumentError: The factor is negative or not finite.
        """
        super().add_param_group(param_group)
        try:
            self._check_options(self.param_groups[-1])
        except InputError:
            self.param_groups.pop()
            raise

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
            ArgumentError: A gradient cannot be taken; nothing was moved.
        """
        loss = evaluated(closure)
        for group in self.param_groups:
            self._check_gradients(group)
        for group in self.param_groups:
            self._advance(group)
        return loss

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue from a state dict, to the bit if the parameters have the type that they had.

        Raises:
            ArgumentError: The state belongs to another optimizer; nothing was changed.
        """
        load_exactly(self, super().load_state_dict, state_dict, alike=(RULE,), types=self._working_types)

    def _check_options(self, group: Group) -> None:
        lr = group["lr"]
        if not isinstance(lr, int | float) or not 0.0 <= lr < math.inf:
            raise ArgumentError(f"{type(self).__name__}: got lr={lr!r}, expected a finite factor >= 0.")

    def _check_gradients(self, group: Group) -> None:
        check_gradients(self, group)

    def _advance(self, group: Group) -> None:
        for p in group["params"]:
            if p.grad is not None:
                self.state[p] = self._trained.advance([p], self.state.get(p), factor=group["lr"])

    def _working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        return {p: working_type(p) for p in group["params"]}

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_trained": self._trained}


class AdafactorMLP(Learned):
    """A network of 197 meta-parameters that chooses every entry's step from Adafactor's running means.

    Args:
        params: Parameters, or groups of them.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
        lr: Factor of the learned step; 1 is the rule as it was trained.

    Source: Metz, Freeman, Harrison, Maheswaranathan, Sohl-Dickstein 2022, CoLLAs, arXiv 2203.11860.
    """

    def __init__(self, params: ParamsT, *, weights: str | Path = "adafactor_mlp", lr: float = 1.0) -> None:
        super().__init__(params, adafactor_mlp.ARCHITECTURE, "adafactor_mlp", weights, lr)


class MLPLOpt(Learned):
    """A network that chooses every entry's step from the gradient, six momenta and the time.

    Args:
        params: Parameters, or groups of them.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
        lr: Factor of the learned step; 1 is the rule as it was trained.

    Source: Metz, Maheswaranathan, Nixon, Freeman, Sohl-Dickstein 2019, ICML, arXiv 1810.10180.
    """

    def __init__(self, params: ParamsT, *, weights: str | Path = "mlp_lopt", lr: float = 1.0) -> None:
        super().__init__(params, mlp_lopt.ARCHITECTURE, "mlp_lopt", weights, lr)


class Optimus(Learned):
    """A Transformer over all coordinates that updates a preconditioner, and a small network that chooses the step.

    Each group is one vector of D coordinates, made of its parameters with gradients; these must stay the same ones. The
    coordinates of different groups do not see each other. Memory and time grow with D^2. The state of a group is kept
    under its first parameter.

    Args:
        params: Parameters, or groups of them.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
        lr: Factor of the learned step; 1 is the rule as it was trained.
        dim_max: Largest D of a group that is accepted; parameters that require no gradient do not count.

    Source: Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055; our reconstruction.
    """

    def __init__(
        self, params: ParamsT, *, weights: str | Path = "optimus", lr: float = 1.0, dim_max: int = 2000
    ) -> None:
        self._dim_max = dim_max
        super().__init__(params, optimus.ARCHITECTURE, "optimus", weights, lr)

    def _check_options(self, group: Group) -> None:
        super()._check_options(group)
        optimus.check_dim([p for p in group["params"] if p.requires_grad], self._trained.settings, self._dim_max)

    def _check_gradients(self, group: Group) -> None:
        super()._check_gradients(group)
        now = _with_gradient(group)
        before = self._vector_state(group).get(MEMBERS, now)
        if now and now != before:
            raise ArgumentError(
                f"Optimus: got gradients of a group's parameters {now}, expected {before} as in the steps before: they "
                "are one vector. Set a missing gradient to zero."
            )

    def _advance(self, group: Group) -> None:
        if members := _with_gradient(group):
            state = {name: t for name, t in self._vector_state(group).items() if name != MEMBERS}
            vector = [group["params"][i] for i in members]
            state = self._trained.advance(vector, state or None, factor=group["lr"])
            self.state[group["params"][0]] = {MEMBERS: members, **state}

    def _vector_state(self, group: Group) -> dict[str, Any]:
        return self.state.get(group["params"][0], {}) if group["params"] else {}

    def _working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        members = [group["params"][i] for i in self._vector_state(group).get(MEMBERS, ())]
        joint = reduce(torch.promote_types, (p.dtype for p in members), torch.float32)
        return dict.fromkeys(group["params"], joint)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_dim_max": self._dim_max}


def _with_gradient(group: Group) -> list[int]:
    """Return the positions of a group's parameters that have a gradient."""
    return [i for i, p in enumerate(group["params"]) if p.grad is not None]
