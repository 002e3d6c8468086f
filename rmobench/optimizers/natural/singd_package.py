"""SINGD as the package of its authors has it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from singd.optim.optimizer import SINGD
from torch import Tensor

from rmobench.errors import ArgumentError, UnfitError
from rmobench.optimizers.natural.layers import Layer, layers_of
from rmobench.optimizers.natural.momentum import Momentum
from rmobench.optimizers.options import check_options, check_period
from rmobench.optimizers.torch_style import tensors_in
from rmobench.registry import optimizer
from rmobench.types import Linear, Log, Optimizer, Oracle, Problem

IN_FLOAT64 = ("dense", "diagonal")
"""Structures that singd 0.0.5 multiplies in float64; products of the others know float32 and narrower types only."""


@optimizer(
    family="natural",
    source="Lin, Dangel, Eschenhagen, Neklyudov, Kristiadi, Turner, Makhzani 2024, ICML, arXiv 2312.05705; "
    "singd.optim.optimizer.SINGD",
    requires=("singd",),
    search={"lr": Log(1e-4, 1.0), "momentum": Linear(0.0, 0.99), "damping": Log(1e-5, 1e-1), "lr_cov": Log(1e-3, 0.5)},
)
def singd_package(
    problem: Problem,
    *,
    lr: float = 1e-3,
    momentum: float = 0.9,
    damping: float = 1e-3,
    lr_cov: float = 1e-2,
    momentum_cov: float = 0.5,
    structure: str = "dense",
    period: int = 10,
    weight_decay: float = 0.0,
    sharing: str = "expand",
    normalise: bool = False,
) -> Optimizer:
    """Run the package's SINGD on the layers that `singd` preconditions, all others under the heavy ball as there.

    The defaults are the package's: dense factors and no warm-up of their steps. Its Toeplitz structures project dense
    matrices, and warn of it.

    Args:
        problem: Its Linear and Conv2d layers are preconditioned; every one must be called and get its gradient in every
            step. All other parameters take the heavy ball, since the package leaves them alone.
        lr: Step length, in units of the preconditioned gradient.
        momentum: Weight of the past, in [0, 1).
        damping: Added to the curvature, in its own units.
        lr_cov: Step length of the factors.
        momentum_cov: Weight of the past in a factor's direction, in [0, 1).
        structure: Of both factors, as the package spells it: dense, diagonal, block30diagonal, hierarchical15_15,
            triltoeplitz or triutoeplitz.
        period: Steps from one move of the factors to the next.
        weight_decay: Times the parameters, added to the preconditioned gradient.
        sharing: "expand" or "reduce": how positions that share a weight count.
        normalise: Divide a factor's step by the largest entry of its direction where that is above 1, and weigh what is
            new in the direction by 1 - momentum_cov.

    Raises:
        ArgumentError: An option that is not in its range, or a structure that the package does not have.
        UnfitError: The package has no such structure in float64.
    """
    check_options(
        "singd_package",
        lr=lr,
        momentum=momentum,
        damping=damping,
        lr_cov=lr_cov,
        momentum_cov=momentum_cov,
        weight_decay=weight_decay,
    )
    check_period("singd_package", period)
    if structure not in SINGD.SUPPORTED_STRUCTURES:
        known = ", ".join(SINGD.SUPPORTED_STRUCTURES)
        raise ArgumentError(f"singd_package: got structure={structure!r}, expected one of {known}.")
    found = layers_of("singd_package", problem, sharing=sharing)
    found.close()  # the package hooks by itself
    _check_type(found.layers, structure)
    others = Momentum(lr=lr, momentum=momentum, weight_decay=weight_decay)
    if not found.layers:
        return _without_layers(problem, others)
    inner = SINGD(
        problem.model,
        [p for layer in found.layers for p in layer.module.parameters()],
        lr=lr,
        momentum=momentum,
        damping=damping,
        alpha1=momentum_cov,
        weight_decay=weight_decay,
        T=period,
        lr_cov=lr_cov,
        structures=(structure, structure),
        kfac_approx=sharing,
        normalize_lr_cov=normalise,
    )

    def step(oracle: Oracle) -> None:
        oracle()
        _check_seen(inner, period)
        inner.step()
        params = problem.params
        for name in found.others:
            others.move(name, params[name], params[name].grad)

    def state() -> Iterator[Tensor]:
        for matrices in (inner.Ks, inner.Cs, inner.m_Ks, inner.m_Cs):
            for matrix in matrices.values():
                yield from (tensor for _, tensor in matrix.named_tensors())
        yield from tensors_in((inner.state, others.past))

    def close() -> None:
        for handle in inner.hook_handles:
            handle.remove()

    return Optimizer(step, state=state, close=close)


def _without_layers(problem: Problem, mover: Momentum) -> Optimizer:
    """Return the heavy ball alone: the package refuses a model that has nothing to precondition."""

    def step(oracle: Oracle) -> None:
        oracle()
        for name, p in problem.params.items():
            mover.move(name, p, p.grad)

    return Optimizer(step, state=lambda: tensors_in(mover.past))


def _check_type(layers: list[Layer], structure: str) -> None:
    if structure not in IN_FLOAT64 and any(layer.module.weight.dtype == torch.float64 for layer in layers):
        raise UnfitError(
            f"singd_package: singd has no structure {structure!r} in float64, only {' and '.join(IN_FLOAT64)}; "
            "take one of these, or another precision."
        )


def _check_seen(inner: SINGD, period: int) -> None:
    """Raise UnfitError, where the package would a KeyError, for a layer that this step did not pass through."""
    due = inner.steps % period == 0
    missed = [
        name
        for module, name in inner.module_names.items()
        if any(p.grad is None for p in module.parameters()) or (due and name not in inner.H_Cs)
    ]
    if missed:
        raise UnfitError(
            f"singd_package: {', '.join(missed)} had no call or no gradient in step {inner.steps}; the package moves "
            "every layer in every step. Take singd, which leaves such layers out."
        )
