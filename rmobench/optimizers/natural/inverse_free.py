"""Structured inverse-free natural gradients: K K^T and C C^T in the place of KFAC's inverses.

Per layer W [d_o, d_i], with rows a [m, d_i] of inputs, g [m, d_o] of gradients, and Pi the projection of a structure:
    H_K = Pi(K^T a^T a K), H_C = Pi(C^T g^T g C)
    INGD   n_K = 1/2 [tr(H_C) / d_o H_K + damping tr(C^T C) / d_o Pi(K^T K) - I], n_C with the roles exchanged
    IKFAC  n_K = 1/2 [H_K + damping Pi(K^T K) - I], n_C likewise
    m_K <- momentum_cov m_K + n_K;  K <- K - lr_cov K m_K, both sides from the old K and C
    direction C C^T G K K^T
Products only. Source: Lin, Dangel, Eschenhagen et al. 2024, ICML, arXiv 2312.05705, fig. 3 and 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from rmobench.curvature import Dense, Factor, Kronecker, Structure, largest, plus, scaled
from rmobench.errors import ArgumentError
from rmobench.optimizers.natural.layered import Kept, Layered, Preconditioner, layered
from rmobench.optimizers.natural.layers import Layer
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.natural.rows import Rows
from rmobench.optimizers.options import check_options, check_period, check_switch
from rmobench.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """How the factors move."""

    adaptive: bool  # INGD: each side is scaled by the mean curvature of the other; else IKFAC
    lr_cov: float
    momentum_cov: float
    damping: float
    warm_up: bool = True  # small steps of the factors at first
    normalise: bool = False  # divide a factor's step by the largest entry of m where that is above 1

    def lr_at(self, t: int) -> float:
        """Return the step of the factors at step t: 2 % of it up to step 100, 20 % up to 500, then all."""
        share = 1.0 if not self.warm_up or t >= 500 else 0.2 if t >= 100 else 0.02
        return share * self.lr_cov


@dataclass(frozen=True, slots=True)
class Side:
    """One factor, K [d_i, d_i] or C [d_o, d_o], and its momentum."""

    structure: Structure
    size: int
    factor: Factor
    momentum: Factor | None = None

    def curvature(self, rows: list[Rows]) -> tuple[Factor, Tensor]:
        """Return Pi(K^T a^T a K), and the mean of its diagonal, which the projection keeps."""
        H = self._seen(rows[0])
        for Y in rows[1:]:
            H = plus(H, self._seen(Y))
        return H, self.structure.trace(H) / self.size

    def _seen(self, Y: Rows) -> Factor:
        """Of many rows the gram matrix first: m p^2 + 2 p^3 products where rows times a dense K take 2 m p^2."""
        if isinstance(self.structure, Dense) and len(Y) > 2 * self.size:
            (K,) = self.factor
            return (K.mT @ Y.gram() @ K,)
        return self.structure.project_gram(self.structure.times(Y.matrix(), self.factor))

    def shift(self) -> float:
        """Return |K - I| / |I| in the Frobenius norm of what is stored."""
        like = self.factor[0]
        start = self.structure.identity(self.size, dtype=like.dtype, device=like.device)
        off = sum((part - at).float().square().sum().item() for part, at in zip(self.factor, start, strict=True))
        return math.sqrt(off / sum(at.float().square().sum().item() for at in start))

    def anisotropy(self) -> float:
        """Return |K - c I| / |K| of what is stored, c I being the nearest multiple of the identity.

        0: the factor has learnt no direction, only a step length. Each part of a Kronecker product has a c of its own.
        """
        like = self.factor[0]
        start = self.structure.identity(self.size, dtype=like.dtype, device=like.device)
        pairs = [(part.double(), one.double()) for part, one in zip(self.factor, start, strict=True)]
        groups = [[pair] for pair in pairs] if isinstance(self.structure, Kronecker) else [pairs]
        shares = []
        for group in groups:
            size2 = sum(part.square().sum().item() for part, _ in group)
            along = sum((part * one).sum().item() for part, one in group)
            c = along / sum(one.square().sum().item() for _, one in group)
            shares.append(sum((part - c * one).square().sum().item() for part, one in group) / size2)
        return math.sqrt(sum(shares))

    def moved(self, n: Factor, how: Covariance, t: int) -> Side:
        """Return the side after a step along the tangent n."""
        m = n if self.momentum is None else plus(n, self.momentum, how.momentum_cov)
        lr: float | Tensor = how.lr_at(t)
        if how.normalise:
            lr = lr / largest(m).clamp_min(1.0)
        K = plus(self.factor, self.structure.product(self.factor, m), -lr)
        return Side(self.structure, self.size, K, m if how.momentum_cov else None)

    def tangent(self, H: Factor, other: Side, mean_other: Tensor, how: Covariance) -> Factor:
        """Return n from this side's projected curvature and the other side."""
        weight: float | Tensor = how.damping
        if how.adaptive:
            H = scaled(H, mean_other)
            weight = how.damping * (other.structure.square(other.factor) / other.size)
        n = plus(H, self.structure.gram(self.factor), weight)
        return scaled(self.structure.shifted(n, -1.0), 0.5)

    def applied(self, G: Tensor) -> Tensor:
        """Return G K K^T, G [m, d]."""
        return self.structure.times_transposed(self.structure.times(G, self.factor), self.factor)


def side(chosen: Structure, size: int, like: Tensor) -> Side:
    """Return the side at its start, the identity."""
    return Side(chosen, size, chosen.identity(size, dtype=like.dtype, device=like.device))


def inverse_free(
    owner: str,
    problem: Problem,
    how: Covariance,
    *,
    chosen: Structure,
    lr: float,
    momentum: float,
    weight_decay: float,
    period: int,
    sharing: str,
) -> Layered:
    """Precondition every layer of a problem by factors that are moved without an inverse.

    Args:
        owner: Whose options these are, as messages begin.
        problem: Its Linear and Conv2d layers are preconditioned; all other parameters take the heavy ball, and so do
            convolutions with groups, with padding that is not zeros or has a name, and weights that modules share.
        how: How the factors move.
        chosen: Structure of both factors.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        weight_decay: Times the parameters, added to the preconditioned gradient.
        period: Steps from one move of the factors to the next.
        sharing: "expand" or "reduce": how positions that share a weight count.

    Raises:
        ArgumentError: An option that is not in its range, or a structure that does not fit a layer.
    """
    check_options(
        owner,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        lr_cov=how.lr_cov,
        momentum_cov=how.momentum_cov,
        damping=how.damping,
    )
    check_period(owner, period)
    check_switch(owner, warm_up=how.warm_up, normalise=how.normalise)

    def sides(layer: Layer, kept: Kept) -> tuple[Side, Side]:
        weight, (d_o, d_i) = layer.module.weight, layer.shape
        if not kept:
            return side(chosen, d_i, weight), side(chosen, d_o, weight)
        return (
            Side(chosen, d_i, kept["K"], kept.get("m_K")),
            Side(chosen, d_o, kept["C"], kept.get("m_C")),
        )

    def update(layer: Layer, t: int, kept: Kept) -> Kept:
        K, C = sides(layer, kept)
        H_K, mean_K = K.curvature(layer.inputs)
        H_C, mean_C = C.curvature(layer.slopes)
        n_K, n_C = K.tangent(H_K, C, mean_C, how), C.tangent(H_C, K, mean_K, how)
        K, C = K.moved(n_K, how, t), C.moved(n_C, how, t)
        moved = {"K": K.factor, "C": C.factor, "m_K": K.momentum, "m_C": C.momentum}
        return {name: factor for name, factor in moved.items() if factor is not None}

    def precondition(layer: Layer, gradient: Tensor, kept: Kept) -> Tensor:
        K, C = sides(layer, kept)
        return C.applied(K.applied(gradient).mT).mT

    built = layered(
        owner,
        problem,
        Preconditioner(update, precondition),
        Momentum(lr=lr, momentum=momentum, weight_decay=weight_decay),
        period=period,
        sharing=sharing,
    )
    try:
        for layer in built.layers.layers:
            sides(layer, {})
    except ArgumentError:  # a structure that does not fit a layer says so now, and leaves no hooks
        built.close()
        raise

    def says() -> dict[str, float]:
        """Say how far the factors are from the identity, and from a multiple of it: there this is the heavy ball."""
        kept = built.memory.kept
        all_sides = [s for layer in built.layers.layers for s in sides(layer, kept.get(layer.names[0], {}))]
        if not all_sides:
            return {}
        return {
            "factor_shift": sum(s.shift() for s in all_sides) / len(all_sides),
            "factor_anisotropy": sum(s.anisotropy() for s in all_sides) / len(all_sides),
        }

    return replace(built, diagnostics=says)
