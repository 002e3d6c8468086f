"""A linear layer that is frozen but for a matrix of low rank, and what puts such layers into a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Generator, Tensor, nn

from rmobench.errors import ArgumentError


class LowRankLinear(nn.Module):
    """Map x to base(x) + scale x W^T with W = U S V^T [m, n] of rank r, or W = U V^T where there is no S.

    U [m, c], S [c, c] and V [n, c] are the parameters; without S they are LoRA's B = U and A = V^T. The number c of
    columns is r unless an optimizer reserves more; columns that a smaller rank does not use are zero, so that shapes
    never change. W is never formed here.
    Source: Hu et al. 2022, ICLR, arXiv 2106.09685; three factors: Schotthofer et al. 2022, NeurIPS, arXiv 2205.13571.

    Args:
        U: Left factor [m, r].
        S: Core [r, r].
        V: Right factor [n, r].
        base: What stays as it is, with its bias; None: nothing.
        scale: Of the low-rank part; LoRA's alpha / r.

    Raises:
        ArgumentError: Factors that do not fit each other or the base.
    """

    S: nn.Parameter | None

    def __init__(self, U: Tensor, S: Tensor, V: Tensor, *, base: nn.Linear | None = None, scale: float = 1.0) -> None:
        super().__init__()
        m, n, r = len(U), len(V), S.shape[-1]
        got = [list(t.shape) for t in (U, S, V)]
        if got != [[m, r], [r, r], [n, r]] or not 1 <= r <= min(m, n):
            raise ArgumentError(f"LowRankLinear: got factors {got}, expected [m, r], [r, r], [n, r], 1 <= r <= m, n.")
        if base is not None and base.weight.shape != (m, n):
            raise ArgumentError(f"LowRankLinear: got a base {list(base.weight.shape)}, expected {[m, n]} as U S V^T.")
        self.rank = r
        self.scale = scale
        self.base = None if base is None else base.requires_grad_(False)
        self.U, self.S, self.V = nn.Parameter(U), nn.Parameter(S), nn.Parameter(V)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply; [..., n] -> [..., m]."""
        low = x @ self.V
        if self.S is not None:
            low = low @ self.S.mT
        low = low @ self.U.mT
        if self.scale != 1.0:
            low = self.scale * low
        return low if self.base is None else self.base(x) + low

    @property
    def n_used(self) -> int:
        """Number of columns in use, those where S (or U) is not zero: a bound on the rank of W."""
        held = self.U if self.S is None else self.S
        return int(held.detach().any(0).count_nonzero())

    @torch.no_grad()
    def matrix(self, dtype: torch.dtype) -> Tensor:
        """Return scale W [m, n], multiplied in a type of one's own: for judges and for merging."""
        U, V = self.U.to(dtype), self.V.to(dtype)
        return self.scale * ((U if self.S is None else U @ self.S.to(dtype)) @ V.mT)

    @torch.no_grad()
    def put(self, U: Tensor, S: Tensor | None, V: Tensor) -> None:
        """Write factors of at most c columns, zeros into the other columns."""
        k = U.shape[-1]
        for held, new in ((self.U, U), (self.V, V), (self.S, S)):
            if held is None or new is None:
                continue
            if k == held.shape[-1]:
                held.copy_(new)
            else:
                held.zero_()[: len(new), :k] = new.to(held.dtype)

    @torch.no_grad()
    def reserve(self, columns: int) -> None:
        """Give the factors room for more columns, at most min(m, n), zeros at first; new parameters."""
        more = min(columns, len(self.U), len(self.V)) - self.U.shape[-1]
        pad = nn.functional.pad
        self.U, self.V = (nn.Parameter(pad(t, (0, more))) for t in (self.U, self.V))
        self.S = None if self.S is None else nn.Parameter(pad(self.S, (0, more, 0, more)))

    def extra_repr(self) -> str:
        """Return the layer's shape as torch prints it."""
        return f"{len(self.U)} x {len(self.V)}, rank={self.rank}, factors={2 if self.S is None else 3}"


def low_rank_layers(model: nn.Module) -> dict[str, LowRankLinear]:
    """Return the low-rank layers by name, in the order of the model; a layer that is the model itself has none."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LowRankLinear)}


@torch.no_grad()
def merge_low_rank(model: nn.Module) -> dict[str, nn.Linear]:
    """Put base + scale W, free to train, in the place of every low-rank layer that is free to train and has a base.

    A layer that stands alone stays: its matrix has no rank but its own. Biases stay frozen.

    Returns:
        The dense layers by name.
    """
    layers = {}
    for name, layer in low_rank_layers(model).items():
        if name and layer.base is not None and layer.U.requires_grad:
            base = layer.base
            weight = base.weight.detach()
            wider = torch.promote_types(weight.dtype, torch.float32)
            base.weight = nn.Parameter((weight.to(wider) + layer.matrix(wider)).to(weight.dtype))  # may be shared
            layers[name] = base
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, base)
    return layers


def insert_low_rank(
    model: nn.Module,
    pattern: str,
    *,
    rank: int,
    generator: Generator,
    start: str = "gaussian",
    scale: float = 1.0,
) -> dict[str, LowRankLinear]:
    r"""Freeze a model and put low-rank layers in the place of its linear layers of a name.

    What else shall be trained (a head, say) is for the caller to unfreeze afterwards.

    Args:
        model: Changed in place; not a linear layer itself.
        pattern: Regular expression that matches the whole name, e.g. "blocks\.\d+\.(query|value)".
        rank: r.
        generator: On the CPU; draws the factors in the order of the model.
        start: A name in LOW_RANK_STARTS.
        scale: Of the low-rank part.

    Returns:
        The new layers by name.

    Raises:
        ArgumentError: No layer has such a name, or no such start or rank.
    """
    if start not in LOW_RANK_STARTS:
        raise ArgumentError(f"insert_low_rank: got start={start!r}, expected one of {', '.join(LOW_RANK_STARTS)}.")
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    chosen = {name: module for name, module in linear.items() if name and re.fullmatch(pattern, name)}
    if not chosen:
        names = ", ".join(linear) or "none"
        raise ArgumentError(f"insert_low_rank: no linear layer matches {pattern!r}; the model has {names}.")
    model.requires_grad_(False)
    layers = {}
    for name, base in chosen.items():
        if not 1 <= rank <= min(base.weight.shape):
            raise ArgumentError(f"insert_low_rank: got rank={rank}, expected 1 to {min(base.weight.shape)} at {name}.")
        layers[name] = LOW_RANK_STARTS[start](base, rank, scale, generator)
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layers[name])
    return layers


Start = Callable[[nn.Linear, int, float, Generator], LowRankLinear]
"""(base, rank, scale, generator) -> layer that maps x as the base does."""


def gaussian(base: nn.Linear, rank: int, scale: float, generator: Generator) -> LowRankLinear:
    """Start at S = 0 with normal entries in U and V, columns of length near 1: LoRA's B = U S = 0, A = V^T.

    Source: Hu et al. 2022, sec. 4.1; the variance 1 / n of A: Hayou, Ghosh, Yu 2024, arXiv 2402.12354, sec. 2.
    """
    m, n = base.weight.shape
    U, V = (_normal(k, rank, generator).mul_(k**-0.5) for k in (m, n))
    return _layer(base, U, torch.zeros(rank, rank), V, scale)


def orthonormal(base: nn.Linear, rank: int, scale: float, generator: Generator) -> LowRankLinear:
    """Start at S = 0 with orthonormal columns in U and V, uniform (Haar)."""
    U, V = (torch.linalg.qr(_normal(k, rank, generator))[0] for k in base.weight.shape)
    return _layer(base, U, torch.zeros(rank, rank), V, scale)


def pissa(base: nn.Linear, rank: int, scale: float, generator: Generator) -> LowRankLinear:
    """Start at the r largest singular values of the base, and take them out of it; draws nothing.

    Source: Meng, Wang, Zhang 2024, NeurIPS, arXiv 2404.02948.
    """
    weight = base.weight.detach()
    U, d, Vh = torch.linalg.svd(weight.to(torch.promote_types(weight.dtype, torch.float32)), full_matrices=False)
    U, d, V = U[:, :rank], d[:rank], Vh[:rank].mT
    base.weight = nn.Parameter((weight - (U * d) @ V.mT).to(weight.dtype))  # anew: it may be shared
    return _layer(base, U, torch.diag(d / scale), V, scale)


LOW_RANK_STARTS: Mapping[str, Start] = MappingProxyType(
    {"gaussian": gaussian, "orthonormal": orthonormal, "pissa": pissa}
)
"""The starts by name; none changes what the network computes."""


def _normal(rows: int, columns: int, generator: Generator) -> Tensor:
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def _layer(base: nn.Linear, U: Tensor, S: Tensor, V: Tensor, scale: float) -> LowRankLinear:
    weight = base.weight
    return LowRankLinear(*(t.to(weight.device, weight.dtype) for t in (U, S, V)), base=base, scale=scale)
