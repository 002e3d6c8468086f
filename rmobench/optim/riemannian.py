"""The Riemannian rules as torch.optim.Optimizer classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from rmobench.errors import ArgumentError, InputError
from rmobench.geometry import EUCLIDEAN, Grassmann, Stiefel
from rmobench.geometry.frames import off_by_rounding
from rmobench.optim.loading import Group, check_gradients, evaluated, load_exactly
from rmobench.optimizers.learned import subspace
from rmobench.optimizers.learned.lift import Trained
from rmobench.optimizers.learned.riemannian_lift import learned_update
from rmobench.optimizers.learned.weights import load_weights
from rmobench.optimizers.options import check_options
from rmobench.optimizers.riemannian.landing import landing_update
from rmobench.optimizers.riemannian.pointwise import Rule, State, advance
from rmobench.optimizers.riemannian.radam import radam_update
from rmobench.optimizers.riemannian.rasa import rasa_update
from rmobench.optimizers.riemannian.rsgd import rsgd_update
from rmobench.types import Manifold

Update = Callable[..., tuple[Tensor, State]]
"""(manifold, point, Euclidean gradient, state, **options) -> next point, next state."""

RULE = "rule"  # in every group: which rule the state belongs to
CONSTRAINTS = "constraints"  # in every group: names of its parameters' manifolds, which the state belongs to as well
OFF_MAX = 0.1
"""How far off its manifold a parameter may lie at first: bfloat16 can do no better than some hundredths.

Large frames may lie as far off as their roundings can take them, and those of Landing as far again as its safety.
"""


class Riemannian(torch.optim.Optimizer):
    """A rule that sees every parameter by itself, on the manifold that goes with its name or on none.

    A manifold acts on the last two dimensions (the sphere on the last one), and the others are a batch. So the kernel
    [out, in, k, k] of a convolution would be a batch of k x k matrices: to make it a frame, keep the parameter flat,
    [in k k, out], and shape it in `forward`.

    A group has the rule's options, and may have "manifolds" of its own. The state keeps the type that the rule computes
    in: float64 for float64 parameters, float32 for all others.
    """

    handles: tuple[str, ...] = ("fixedrank", "grassmann", "spd", "sphere", "stiefel")  # manifolds that the rule takes

    def __init__(
        self,
        params: ParamsT,
        update: Update,
        rule: str,
        manifolds: Mapping[str, Manifold],
        options: Mapping[str, float | str],
    ) -> None:
        self._update = update
        self._names = tuple(options)
        self._manifolds = dict(manifolds)
        self._places: list[list[Manifold]] = []  # the manifolds of every group's parameters
        super().__init__(params, {**options, RULE: rule})
        self._check_names(manifolds, self.param_groups)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters, with options and manifolds of their own if they are given.

        Raises:
            ArgumentError: An option, a name or a parameter's shape that the rule cannot take; nothing was added.
        """
        manifolds = param_group.get("manifolds", {})
        super().add_param_group({key: value for key, value in param_group.items() if key != "manifolds"})
        group = self.param_groups[-1]
        try:
            self._check_options(group)
            self._check_names(manifolds, [group])
            places = self._placed(group, self._manifolds | manifolds)
        except InputError:
            self.param_groups.pop()
            raise
        self._places.append(places)
        group[CONSTRAINTS] = [manifold.name for manifold in places]

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
            check_gradients(self, group)
        for group, places in zip(self.param_groups, self._places, strict=True):
            rule = partial(self._update, **self._options(group))
            for p, manifold in zip(group["params"], places, strict=True):
                if p.grad is not None:
                    self.state[p] = self._advance(rule, manifold, p, p.grad)
        return loss

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue from a state dict, to the bit if the parameters have the type that they had.

        Raises:
            ArgumentError: The state belongs to another optimizer or to other manifolds; nothing was changed.
        """
        load_exactly(self, super().load_state_dict, state_dict, alike=(RULE, CONSTRAINTS), types=self._working_types)

    def _options(self, group: Group) -> dict[str, Any]:
        return {name: group[name] for name in self._names}

    def _advance(self, rule: Rule, manifold: Manifold, p: Tensor, g: Tensor) -> State:
        """Move a parameter in place and return its state."""
        return advance(rule, manifold, p, g, self.state.get(p, {}))

    def _check_options(self, group: Group) -> None:
        check_options(type(self).__name__, **self._options(group))

    def _check_names(self, manifolds: Mapping[str, Manifold], groups: Iterable[Group]) -> None:
        known = [name for group in groups for name in group.get("param_names", ())]
        if unknown := [name for name in manifolds if name not in known]:
            raise ArgumentError(
                f"{type(self).__name__}: got manifolds for {unknown}, expected names out of {known}. "
                "Give the parameters with their names: model.named_parameters()."
            )

    def _placed(self, group: Group, manifolds: Mapping[str, Manifold]) -> list[Manifold]:
        """Return the manifolds of a group's parameters, each of which must be a point of its own."""
        names = group.get("param_names", [""] * len(group["params"]))
        places = [manifolds.get(name, EUCLIDEAN) for name in names]
        for p, name, manifold in zip(group["params"], names, places, strict=True):
            if manifold != EUCLIDEAN:
                self._check_point(name, p.detach(), manifold, group)
        return places

    def _check_point(self, name: str, p: Tensor, manifold: Manifold, group: Group) -> None:
        owner = type(self).__name__
        if isinstance(manifold, type) or not isinstance(manifold, Manifold):
            raise ArgumentError(
                f"{owner}: got {manifold!r} for {name}, expected a manifold: an instance, e.g. Stiefel()."
            )
        if manifold.name not in self.handles:
            raise ArgumentError(f"{owner}: got {manifold.name} for {name}, expected one of {', '.join(self.handles)}.")
        try:
            residual = manifold.residual(p)
        except ArgumentError as error:
            reason = str(error).replace(f"{type(manifold).__name__}.residual: x", "it")
            raise ArgumentError(f"{owner}: {name} cannot lie on {manifold.name}: {reason}") from None
        off, most = residual.max().item() if residual.numel() else 0.0, self._off_max(p, manifold, group)
        if not off <= most:
            shaped = " A kernel [out, in, k, k] is kept flat, [in k k, out]." if p.ndim > 3 else ""
            raise ArgumentError(
                f"{owner}: {name} lies {off:.3g} off its manifold ({manifold.name}), expected at most {most:.3g}. "
                f"Put it there first: p.data = manifold.project(p.data).{shaped}"
            )

    def _off_max(self, p: Tensor, manifold: Manifold, group: Group) -> float:
        """Return how far off its manifold a parameter may lie at first."""
        is_frame = isinstance(manifold, Stiefel | Grassmann)
        return max(OFF_MAX, off_by_rounding(p.shape[-1], p.dtype)) if is_frame else OFF_MAX

    def _working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        return {p: torch.promote_types(p.dtype, torch.float32) for p in group["params"]}

    def __getstate__(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("_update", "_names", "_manifolds", "_places")}
        return super().__getstate__() | own


class RiemannianSGD(Riemannian):
    """Gradient descent with transported momentum; without a manifold the heavy ball.

    Args:
        params: Named parameters, model.named_parameters(), or groups of them.
        manifolds: By parameter name; parameters that are not in it are Euclidean.
        lr: Step length, in units of the tangent vector per unit of gradient.
        momentum: Weight of the past, in [0, 1).

    Source: Bonnabel 2013, IEEE TAC 58(9); transport: Absil, Mahony, Sepulchre 2008, sec. 8.1.
    """

    def __init__(
        self, params: ParamsT, *, manifolds: Mapping[str, Manifold], lr: float = 0.1, momentum: float = 0.0
    ) -> None:
        super().__init__(params, rsgd_update, "rsgd", manifolds, {"lr": lr, "momentum": momentum})


class RiemannianAdam(Riemannian):
    """Adam with one mean square per matrix (per vector on the sphere); without a manifold Adam.

    Args:
        params: Named parameters, model.named_parameters(), or groups of them.
        manifolds: By parameter name; parameters that are not in it are Euclidean.
        lr: Step length, in units of the tangent norm; of the entries where there is no manifold.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.

    Source: Becigneul, Ganea 2019, ICLR, arXiv 1810.00760.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        manifolds: Mapping[str, Manifold],
        lr: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        super().__init__(params, radam_update, "radam", manifolds, options)


class RASA(Riemannian):
    """Rows and columns of the gradient scaled by the running maxima of their mean squares; manifolds of matrices only.

    Args:
        params: Named parameters, model.named_parameters(), or groups of them.
        manifolds: By parameter name; parameters that are not in it are Euclidean.
        lr: Step length, in units of the entries.
        beta: Decay of the means of squares, in [0, 1).
        epsilon: Least mean square, in units of the squared gradient.

    Source: Kasai, Jawanpuria, Mishra 2019, ICML, arXiv 1902.01144.
    """

    handles = ("grassmann", "stiefel")

    def __init__(
        self,
        params: ParamsT,
        *,
        manifolds: Mapping[str, Manifold],
        lr: float = 0.01,
        beta: float = 0.99,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(params, rasa_update, "rasa", manifolds, {"lr": lr, "beta": beta, "epsilon": epsilon})


class Landing(Riemannian):
    """Steps near the Stiefel manifold, drawn to it, without retraction; RiemannianSGD on all other manifolds.

    Args:
        params: Named parameters, model.named_parameters(), or groups of them.
        manifolds: By parameter name; parameters that are not in it are Euclidean.
        lr: Step length, in units of the field.
        momentum: Weight of the past, in [0, 1).
        attraction: Weight of the pull towards the manifold, at least 0.
        safety: Largest Frobenius norm of x^T x - I, below 1.

    Source: Ablin, Peyre 2022, AISTATS, arXiv 2102.07432; Ablin, Vary, Gao, Absil 2023, arXiv 2303.16510.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        manifolds: Mapping[str, Manifold],
        lr: float = 0.1,
        momentum: float = 0.0,
        attraction: float = 1.0,
        safety: float = 0.5,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "attraction": attraction, "safety": safety}
        super().__init__(params, landing_update, "landing", manifolds, options)

    def _off_max(self, p: Tensor, manifold: Manifold, group: Group) -> float:
        """Return how far off a parameter may lie at first: farther by the safety, up to 1, where no step is safe."""
        most = super()._off_max(p, manifold, group)
        return min(most + group["safety"], 1.0) if isinstance(manifold, Stiefel) else most


class SubspaceRMO(Riemannian):
    """One LSTM of 5,242 weights scales rows and columns of every Riemannian gradient; elsewhere gradient descent.

    A state dict does not hold the weights: load it into an optimizer with the same ones.

    Args:
        params: Named parameters, model.named_parameters(), or groups of them.
        manifolds: By parameter name; parameters that are not in it are Euclidean.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
        lr: Factor of the gradients that the rule sees; step length of the parameters without a manifold.

    Source: Yu, Wu, Gao, Fan, Jia 2025, CVIU 253, 104306, arXiv 2501.15235.
    """

    handles = ("grassmann", "stiefel")

    def __init__(
        self,
        params: ParamsT,
        *,
        manifolds: Mapping[str, Manifold],
        weights: str | Path = "subspace",
        lr: float = 1.0,
    ) -> None:
        trained = Trained(subspace.ARCHITECTURE, load_weights(str(weights), "subspace"))
        super().__init__(params, partial(learned_update, trained=trained), "subspace", manifolds, {"lr": lr})
