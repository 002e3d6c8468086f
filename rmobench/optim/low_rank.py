"""The methods for LowRankLinear layers as torch.optim.Optimizer classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rmobench.errors import ArgumentError
from rmobench.geometry.frames import off_by_rounding
from rmobench.geometry.matrices import identity
from rmobench.geometry.storage import wide
from rmobench.models.low_rank_linear import LowRankLinear, low_rank_layers
from rmobench.optim.loading import Group
from rmobench.optim.on_layers import OnLayers, State, unseen
from rmobench.optimizers.lowrank.geolora import geolora_method
from rmobench.optimizers.lowrank.layerwise import InThree, InTwo, OnThree, OnTwo
from rmobench.optimizers.lowrank.lora_rite import lora_rite_method
from rmobench.optimizers.lowrank.lr_adam_core import lr_adam_core_method
from rmobench.optimizers.lowrank.lr_adam_tangent import lr_adam_tangent_method
from rmobench.optimizers.lowrank.lr_heavy_ball import lr_heavy_ball_method
from rmobench.optimizers.lowrank.scaled_adamw import scaled_adamw_method
from rmobench.types import Problem, Value, selector

COLUMNS = "columns"  # in the state of a layer's U: how many are in use


NEAR = 1e-3
"""How far off orthonormal U and V may be before a step, beside what their storage rounds: |U^T U - I| in the norm."""


class Factored:
    """Low-rank layers and what a method keeps of each, under the name of the layer's U."""

    def __init__(self, layers: OnThree | OnTwo, step: Callable[[Group], Callable[[], None]]) -> None:
        self._layers = layers
        self._step = step  # from the group's options
        self._next: Callable[[], None] = _too_early
        self._in_doubt = True
        self._names = {layer: f"{layer}.U".lstrip(".") for layer in layers.seen.layers}

    def take(self, group: Group, states: Mapping[str, State]) -> None:
        """Take the options of the step to come, and the state."""
        self._next = self._step(group)
        of_layers = {layer: nested(states[name]) for layer, name in self._names.items() if name in states}
        others = self._layers.others
        self._layers.used |= {layer: state.pop(COLUMNS) for layer, state in of_layers.items()}
        self._layers.states = of_layers
        others.states.clear()
        others.states.update({name: states[name] for name in others.names if name in states})

    def doubt(self) -> None:
        """Take the parameters for others than they were."""
        self._in_doubt = True

    def ready(self, owner: str) -> None:
        """Raise ArgumentError where layers have gradients and none saw a backward pass, or frames that are none."""
        if not isinstance(self._layers, OnThree):
            return
        watched = self._layers.seen.layers
        pulled = [w for w in watched.values() if w.layer.U.grad is not None]
        if pulled and all(w.left is None for w in pulled):
            raise unseen(owner)
        for w in watched.values():
            if w.layer.U.grad is None:  # dropped by other means than this optimizer's
                w.forget()
        if self._in_doubt:
            for name, w in watched.items():
                check_frames(owner, name, w.layer, self._layers.used[name])
        self._in_doubt = False

    def advance(self) -> None:
        """Move the parameters."""
        self._next()

    def give(self) -> dict[str, State]:
        """Return the state, by the parameters' names."""
        layers = self._layers
        own = {self._names[at]: flat(state) | {COLUMNS: layers.used[at]} for at, state in layers.states.items()}
        return {**own, **layers.others.states}

    def forget(self) -> None:
        """Drop what the layers saw."""
        self._layers.seen.look(True)

    def working_types(self, group: Group) -> dict[Tensor, torch.dtype]:
        """Return float64 for parameters in it, float32 for all others."""
        return {p: torch.promote_types(p.dtype, torch.float32) for p in group["params"]}

    def close(self) -> None:
        """Remove the hooks."""
        self._layers.seen.close()


def check_frames(owner: str, name: str, layer: LowRankLinear, k: int) -> None:
    """Raise ArgumentError unless the first k columns of U and V are orthonormal up to roundings."""
    for side, x in (("U", layer.U), ("V", layer.V)):
        frame = wide(x.detach())[:, :k]
        gram = frame.mT @ frame
        off = torch.linalg.matrix_norm(gram - identity(gram)).item()
        if not off <= NEAR + off_by_rounding(k, x.dtype):
            raise ArgumentError(
                f"{owner}: {side} of {name or 'the model'} lies {off:.3g} off a frame. Load a model's state before "
                "the optimizer is built on it, or the state that was saved with the optimizer's."
            )


class LowRank(OnLayers):
    """A method for the LowRankLinear layers of a model; all other trainable parameters take its companion.

    Building it brings the layers to the factors that the method needs, with the same matrix: U S V^T with orthonormal U
    and V, or B A in two factors (there S is gone). So a saved model is loaded into one on which the optimizer was
    built. The state keeps float64 for float64 parameters and float32 for all others.
    """

    def __init__(
        self,
        model: nn.Module,
        build: Callable[[Callable[..., Any]], Callable[[Problem], Factored]],
        method: Callable[..., Any],
        options: Mapping[str, float],
        settings: Mapping[str, Value],
    ) -> None:
        owner = type(self).__name__
        if isinstance(model, nn.Module) and not any(w.U.requires_grad for w in low_rank_layers(model).values()):
            raise ArgumentError(
                f"{owner}: got a model without a trainable LowRankLinear layer. Put some in first: "
                "rmobench.models.low_rank_linear.insert_low_rank(model, pattern, rank=8, generator=...)."
            )
        method(**options, **settings)  # raises before a layer is touched

        def of_group(group: Group) -> Any:
            return method(**{name: group[name] for name in options}, **settings)

        super().__init__(model, build(of_group), selector(method.__name__.removesuffix("_method"), settings), options)


def on_three(of_group: Callable[[Group], InThree]) -> Callable[[Problem], Factored]:
    """Return what builds the engine of a method on three factors, whose options a group has."""

    def build(problem: Problem) -> Factored:
        layers = OnThree(problem)
        return Factored(layers, lambda group: partial(layers.advance, of_group(group)))

    return build


def on_two(of_group: Callable[[Group], InTwo]) -> Callable[[Problem], Factored]:
    """Return what builds the engine of a method on two factors, whose options a group has."""

    def build(problem: Problem) -> Factored:
        layers = OnTwo(problem)
        return Factored(layers, lambda group: partial(layers.advance, of_group(group)))

    return build


class LowRankHeavyBall(LowRank):
    """The heavy ball on the matrices of low rank, its momentum a tangent vector in factors.

    Args:
        model: Its LowRankLinear layers come to three factors; other trainable parameters take the heavy ball.
        lr: Step length, in units of W per unit of gradient.
        momentum: Weight of the past, in [0, 1).
        theta: As many singular values go after a step as have together at most this share of the norm of all, so that
            the rank adapts; at most the layer's rank stays. 0: always that rank.

    Source: after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475; Vandereycken 2013, SIAM J. Optim. 23(2).
    """

    def __init__(self, model: nn.Module, *, lr: float = 0.1, momentum: float = 0.9, theta: float = 0.0) -> None:
        options = {"lr": lr, "momentum": momentum, "theta": theta}
        super().__init__(model, on_three, lr_heavy_ball_method, options, {})


class LowRankAdam(LowRank):
    """Adam on the matrices of low rank: a tangent first moment in factors, one number per layer as the second.

    Args:
        model: Its LowRankLinear layers come to three factors; other trainable parameters take Adam.
        lr: Step length, in units of the Frobenius norm of W.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient's norm.
        theta: Share of the singular values' norm that may be cut at a step; 0: the rank stays.
        companion_lr: Adam's step length.

    Source: after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475; Becigneul, Ganea 2019, arXiv 1810.00760.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        theta: float = 0.0,
        companion_lr: float = 1e-3,
    ) -> None:
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        options |= {"theta": theta, "companion_lr": companion_lr}
        super().__init__(model, on_three, lr_adam_tangent_method, options, {})


class LowRankCoreAdam(LowRank):
    """Adam on the core S in bases that are widened by G V and G^T U and cut back, its moments carried along.

    The form of the bench with one gradient a step, lr_adam_core[fresh=false].

    Args:
        model: Its LowRankLinear layers come to three factors; other trainable parameters take AdamW alike.
        lr: Step length, in units of the entries of S.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of S taken away per unit of lr.
        theta: Share of the singular values' norm that may be cut at a step; 0: the rank stays.
        carried: "roots" or "squares": what of the mean square goes along with the bases.

    Source: after Schotthofer, Klein, Kusch 2025, NeurIPS, arXiv 2506.17475.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 3e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        theta: float = 0.0,
        carried: str = "roots",
    ) -> None:
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        options |= {"weight_decay": weight_decay, "theta": theta}
        super().__init__(model, on_three, lr_adam_core_method, options, {"carried": carried})


class GeoLoRA(LowRank):
    """A step of both bases and of the core from one gradient, with a rank that adapts.

    Args:
        model: Its LowRankLinear layers come to three factors; other trainable parameters take Adam with core_lr.
        lr: Step length of the bases' steps, in units of W per unit of gradient.
        core_lr: Adam's step length.
        tau: As many singular values go as have together at most this share of the norm of all; at most the layer's rank
            stays. 0: always that rank.
        period: Steps from one step of the bases to the next; between them Adam moves the core.
        beta1: Adam's decay of the mean of the gradient, in [0, 1).
        beta2: Adam's decay of the mean of its square, in [0, 1).
        epsilon: Adam's, added to the root, in units of the gradient.

    Source: Schotthofer, Zangrando, Ceruti, Tudisco, Kusch 2025, ICLR, arXiv 2410.18720.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 0.1,
        core_lr: float = 1e-3,
        tau: float = 0.0,
        period: int = 1,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        options = {"lr": lr, "core_lr": core_lr, "tau": tau, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        super().__init__(model, on_three, geolora_method, options, {"period": period})


class ScaledAdamW(LowRank):
    """AdamW on two factors whose gradients are divided by the Gram matrix of the other factor.

    Args:
        model: Its LowRankLinear layers come to two factors, B = U and A = V^T; other trainable parameters take AdamW.
        lr: Step length, in units of the entries of the factors.
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        epsilon: Added to the root, in units of the scaled gradient.
        weight_decay: Share of the factors taken away per unit of lr.
        damping: Added to the Gram matrices, in units of a factor squared.
        order: "jacobi": both Gram matrices are those before the step; "gauss_seidel": A moves first.

    Source: Zhang, Pilanci 2024, ICML, arXiv 2402.02347.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        damping: float = 1e-2,
        order: str = "jacobi",
    ) -> None:
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        options |= {"weight_decay": weight_decay, "damping": damping}
        super().__init__(model, on_two, scaled_adamw_method, options, {"order": order})


class LoRARITE(LowRank):
    """Adam on two factors with matrix moments that do not depend on how W is split into them.

    Args:
        model: Its LowRankLinear layers come to two factors, B = U and A = V^T; other trainable parameters take AdamW.
        lr: Step length, in units of W's entries per unit of the preconditioned gradient.
        beta1: Decay of the mean of the preconditioned gradient, in [0, 1).
        beta2: Decay of the second moment, in [0, 1).
        epsilon: Added to the root, in units of the gradient.
        weight_decay: Share of the factors taken away per unit of lr.
        escape: Add to the second moment what its projections onto new bases have lost.

    Source: Yen, Si, Meng, Yu, Duvvuri, Dhillon, Hsieh, Kumar 2025, ICLR, arXiv 2410.20625.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        escape: bool = True,
    ) -> None:
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(model, on_two, lora_rite_method, options, {"escape": escape})


def flat(state: State) -> State:
    """Return a state with the entries of inner dictionaries beside the others, as "A.mean"."""
    found: State = {}
    for key, value in state.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            found[key] = value
    return found


def nested(state: State) -> State:
    """Undo `flat`."""
    found: State = {}
    for key, value in state.items():
        outer, _, inner = key.rpartition(".")
        if outer:
            found.setdefault(outer, {})[inner] = value
        else:
            found[key] = value
    return found


def _too_early() -> None:
    raise AssertionError("a step before its options")
