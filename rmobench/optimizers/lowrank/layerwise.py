"""Rules that see one low-rank layer at a time, in three factors or in two, as an Optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rmobench.geometry.matrices import svd
from rmobench.geometry.storage import wide
from rmobench.models.low_rank_linear import LowRankLinear
from rmobench.optimizers.lowrank.companions import Others
from rmobench.optimizers.lowrank.factors import Factors, Sides, orthonormal
from rmobench.optimizers.lowrank.watching import found, watch
from rmobench.optimizers.riemannian.pointwise import Rule, State
from rmobench.optimizers.torch_style import tensors_in
from rmobench.types import Optimizer, Oracle, Problem

FactorRule = Callable[[Factors, Sides, State, int], tuple[Factors, State]]
"""(factors, products of the gradient with them, state, most columns) -> next factors, next state. Pure."""


@dataclass(frozen=True, slots=True)
class Pair:
    """B [m, r] and A^T [n, r] of W = B A, or their gradients; float32 or wider."""

    B: Tensor
    At: Tensor


PairRule = Callable[[Pair, Pair, State], tuple[Pair, State]]
"""(factors, gradients, state) -> next factors, next state. Pure."""


@dataclass(frozen=True, slots=True)
class InThree:
    """What a step along the manifold is: of the three factors of a layer, and of a parameter outside the layers."""

    rule: FactorRule
    companion: Rule


@dataclass(frozen=True, slots=True)
class InTwo:
    """What a step of two factors is, and of a parameter outside the layers."""

    rule: PairRule
    companion: Rule


class OnThree:
    """The layers of a model in three factors, U and V orthonormal, with what a method keeps of each."""

    def __init__(self, problem: Problem) -> None:
        self.seen = watch(problem)
        self.others = Others(self.seen.others)
        self.states: dict[str, State] = {}
        self.used = {name: into_three(watched.layer) for name, watched in self.seen.layers.items()}  # columns
        self._problem = problem

    def advance(self, method: InThree) -> None:
        """Take a step with what was seen of the gradients."""
        for name, watched in self.seen.layers.items():
            sides = watched.sides(self.used[name])
            if sides is not None:
                factors, self.states[name] = method.rule(
                    factors_of(watched.layer, self.used[name]), sides, self.states.get(name, {}), watched.layer.rank
                )
                watched.layer.put(factors.U, factors.S, factors.V)
                self.used[name] = factors.rank
            watched.forget()
        self.others.move(self._problem, method.companion)


class OnTwo:
    """The layers of a model in two factors, with what a method keeps of each; it needs no more than `.grad`."""

    def __init__(self, problem: Problem) -> None:
        self.seen = found(problem)
        self.others = Others(self.seen.others)
        self.states: dict[str, State] = {}
        for watched in self.seen.layers.values():
            into_two(watched.layer)
        self.used = {name: watched.layer.rank for name, watched in self.seen.layers.items()}  # columns: always all
        self._problem = problem

    def advance(self, method: InTwo) -> None:
        """Take a step with the gradients."""
        for name, watched in self.seen.layers.items():
            layer = watched.layer
            if layer.U.grad is not None and layer.V.grad is not None:
                at, slope = Pair(wide(layer.U), wide(layer.V)), Pair(wide(layer.U.grad), wide(layer.V.grad))
                pair, self.states[name] = method.rule(at, slope, self.states.get(name, {}))
                layer.put(pair.B, None, pair.At)
        self.others.move(self._problem, method.companion)


def over_three(problem: Problem, method: InThree) -> Optimizer:
    """Apply a method to U, S, V of every low-rank layer, and its companion to all other parameters.

    Args:
        problem: Its layers come to orthonormal U and V at once, W as it was.
        method: What a step is.
    """
    layers = OnThree(problem)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        layers.seen.look(True)
        oracle()
        layers.advance(method)

    return _optimizer(step, layers)


def over_two(problem: Problem, method: InTwo) -> Optimizer:
    """Apply a method to B and A of every low-rank layer, and its companion to all other parameters.

    Args:
        problem: Its layers come to two factors at once, W as it was.
        method: What a step is.
    """
    layers = OnTwo(problem)

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        layers.advance(method)

    return _optimizer(step, layers)


def _optimizer(step: Callable[[Oracle], None], layers: OnThree | OnTwo) -> Optimizer:
    return Optimizer(
        step,
        state=lambda: tensors_in((layers.states, layers.others.states)),
        close=layers.seen.close,
        diagnostics=layers.seen.rank,
    )


def into_two_factors(problem: Problem) -> dict[str, LowRankLinear]:
    """Bring every layer that is free to train to W = B A, and return them by name."""
    layers = {name: watched.layer for name, watched in found(problem).layers.items()}
    for layer in layers.values():
        into_two(layer)
    return layers


@torch.no_grad()
def into_three(layer: LowRankLinear) -> int:
    """Make U and V orthonormal, S taking what they lose; return the number of columns, which are all in use."""
    if layer.S is None:
        k = layer.U.shape[-1]
        layer.S = nn.Parameter(torch.eye(k, dtype=layer.U.dtype, device=layer.U.device))
    (U, R_u), (V, R_v) = orthonormal(wide(layer.U)), orthonormal(wide(layer.V))
    layer.put(U, R_u @ wide(layer.S) @ R_v.mT, V)
    return layer.rank


@torch.no_grad()
def into_two(layer: LowRankLinear) -> None:
    """Split S between B = U and A^T = V: by the roots of its singular values, or all to B where it is zero.

    At S = 0 that leaves LoRA's start, B = 0 and A as it was drawn, where the roots would leave a saddle.
    """
    S = layer.S
    if S is None:
        return
    layer.S = None
    if not S.any():
        layer.U.zero_()
        return
    (U, R_u), (V, R_v) = orthonormal(wide(layer.U)), orthonormal(wide(layer.V))
    P, d, Qh = svd(R_u @ wide(S) @ R_v.mT)
    root = d.sqrt()
    layer.put(U @ P * root, None, V @ Qh.mT * root)


def factors_of(layer: LowRankLinear, k: int) -> Factors:
    """Return the first k columns in float32 or wider, made orthonormal once more where the storage is narrower."""
    assert layer.S is not None  # `into_three`
    U, S, V = layer.U.detach()[:, :k], layer.S.detach()[:k, :k], layer.V.detach()[:, :k]
    if wide(U) is U:
        return Factors(U, S, V)
    (U, R_u), (V, R_v) = orthonormal(wide(U)), orthonormal(wide(V))
    return Factors(U, R_u @ wide(S) @ R_v.mT, V)
