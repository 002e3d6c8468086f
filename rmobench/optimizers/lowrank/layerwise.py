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


def over_three(problem: Problem, rule: FactorRule, companion: Rule) -> Optimizer:
    """Apply a rule to U, S, V of every low-rank layer; all other parameters take the companion.

    Args:
        problem: Its layers come to orthonormal U and V at once, W as it was.
        rule: What a step is.
        companion: What a step of another parameter is.
    """
    seen = watch(problem)
    others = Others(seen.others, companion, {})
    states: dict[str, State] = {}
    used = {name: into_three(watched.layer) for name, watched in seen.layers.items()}  # columns

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        seen.look(True)
        oracle()
        for name, watched in seen.layers.items():
            sides = watched.sides(used[name])
            if sides is not None:
                factors = factors_of(watched.layer, used[name])
                factors, states[name] = rule(factors, sides, states.get(name, {}), watched.layer.rank)
                watched.layer.put(factors.U, factors.S, factors.V)
                used[name] = factors.rank
        others.move(problem)

    return Optimizer(step, state=lambda: tensors_in((states, others.states)), close=seen.close)


def over_two(problem: Problem, rule: PairRule, companion: Rule) -> Optimizer:
    """Apply a rule to B and A of every low-rank layer; all other parameters take the companion.

    Args:
        problem: Its layers come to two factors at once, W as it was.
        rule: What a step is.
        companion: What a step of another parameter is.
    """
    layers, others = into_two_factors(problem), Others(found(problem).others, companion, {})
    states: dict[str, State] = {}

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        oracle()
        for name, layer in layers.items():
            if layer.U.grad is not None and layer.V.grad is not None:
                at, slope = Pair(wide(layer.U), wide(layer.V)), Pair(wide(layer.U.grad), wide(layer.V.grad))
                pair, states[name] = rule(at, slope, states.get(name, {}))
                layer.put(pair.B, None, pair.At)
        others.move(problem)

    return Optimizer(step, state=lambda: tensors_in((states, others.states)))


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
