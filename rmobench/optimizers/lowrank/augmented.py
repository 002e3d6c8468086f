"""Methods that train the core in a basis of twice the size and cut back: two or more gradients a step, one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rmobench.geometry.storage import wide
from rmobench.optimizers.lowrank.companions import Others
from rmobench.optimizers.lowrank.factors import Factors, Sides, orthonormal, truncated
from rmobench.optimizers.lowrank.layerwise import factors_of, into_three
from rmobench.optimizers.lowrank.watching import Watched, watch
from rmobench.optimizers.riemannian.pointwise import Rule, State
from rmobench.optimizers.torch_style import tensors_in
from rmobench.types import Optimizer, Oracle, Problem


@dataclass(frozen=True, slots=True)
class CoreMethod:
    """How the core moves while the bases stand, and how its state follows them when they turn."""

    move: Callable[[Tensor, Tensor, State], tuple[Tensor, State]]  # (S, gradient, state) -> S, state
    turn: Callable[[State, Tensor, Tensor], State]  # (state, M, N) -> state, as S -> M S N


def augmented(problem: Problem, method: CoreMethod, companion: Rule, *, n_core: int, tolerance: float) -> Optimizer:
    """Widen the bases by G V and G^T U, move the core some times in them, and cut W back to its rank.

    A step asks for 1 + n_core gradients of one batch. Between steps W has at most the layer's rank; within, the layers
    hold twice the columns, which are parameters like all others and count as such.
    Source: Ceruti, Kusch, Lubich 2022, BIT 62 (the augmented basis-update & Galerkin integrator).

    Args:
        problem: Its layers come to orthonormal U and V at once, W as it was, with room for twice the columns.
        method: Of the core.
        companion: What a step of another parameter is: one a step, at the first gradient.
        n_core: Moves of the core per step.
        tolerance: Share of the singular values' norm that is cut at the end of a step; 0: the rank stays.
    """
    seen = watch(problem)
    layers = seen.layers
    used = {name: into_three(watched.layer) for name, watched in layers.items()}
    for watched in layers.values():
        watched.layer.reserve(2 * watched.layer.rank)
    others = Others(seen.others)
    states: dict[str, State] = {}

    def widen(name: str, watched: Watched) -> None:
        sides = watched.sides(used[name])
        if sides is not None:
            W = factors_of(watched.layer, used[name])
            wider, M, N = widened(W, sides)
            states[name] = method.turn(states.get(name, {}), M, N)
            watched.layer.put(wider.U, wider.S, wider.V)
            used[name] = wider.rank

    def move(name: str, watched: Watched) -> None:
        layer, k = watched.layer, used[name]
        if layer.S is not None and layer.S.grad is not None:
            slope = wide(layer.S.grad[:k, :k])
            S, states[name] = method.move(wide(layer.S[:k, :k]), slope, states.get(name, {}))
            layer.S[:k, :k] = S

    def cut(name: str, watched: Watched) -> None:
        W = factors_of(watched.layer, used[name])
        Y, P, Q = truncated(W.U, W.S, W.V, tolerance=tolerance, most=watched.layer.rank)
        states[name] = method.turn(states.get(name, {}), P.mT, Q)
        watched.layer.put(Y.U, Y.S, Y.V)
        used[name] = Y.rank

    @torch.no_grad()
    def step(oracle: Oracle) -> None:
        seen.look(True)
        oracle()
        for name, watched in layers.items():
            widen(name, watched)
        others.move(problem, companion)
        seen.look(False)
        for _ in range(n_core):
            oracle()
            for name, watched in layers.items():
                move(name, watched)
        for name, watched in layers.items():
            cut(name, watched)

    return Optimizer(step, state=lambda: tensors_in((states, others.states)), close=seen.close, diagnostics=seen.rank)


def widened(W: Factors, G: Sides) -> tuple[Factors, Tensor, Tensor]:
    """Return W in bases of [U, G V] and [V, G^T U], and M, N with the core M S N.

    K = U S - lr G V of a K-step spans with U what G V does, whatever lr.
    """
    U1, V1 = orthonormal(torch.cat([W.U, G.left], 1))[0], orthonormal(torch.cat([W.V, G.right], 1))[0]
    k = min(U1.shape[-1], V1.shape[-1])
    U1, V1 = U1[:, :k], V1[:, :k]
    M, N = U1.mT @ W.U, W.V.mT @ V1
    return Factors(U1, M @ W.S @ N, V1), M, N
