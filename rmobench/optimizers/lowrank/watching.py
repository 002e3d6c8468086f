"""What the low-rank layers of a model see of their gradient, caught at their calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from rmobench.geometry.storage import wide
from rmobench.models.low_rank_linear import LowRankLinear, low_rank_layers
from rmobench.optimizers.lowrank.factors import Sides
from rmobench.types import Problem


@dataclass(slots=True)
class Watched:
    """One layer y = base(x) + scale x W^T, whose calls x [..., n] and gradients dY [..., m] give G = scale dY^T x.

    Its products with the factors are dY^T (x V) and x^T (dY U): four thin products at the backward pass, with neither G
    nor the inverse of S, which autograd's dU = G V S^T would need. They add up over calls that share the layer.
    """

    layer: LowRankLinear
    left: Tensor | None = None  # G V [m, c]
    right: Tensor | None = None  # G^T U [n, c]

    def sides(self, k: int) -> Sides | None:
        """Return the products with the first k columns since `forget`; None where the layer took no part."""
        return None if self.left is None or self.right is None else Sides(self.left[:, :k], self.right[:, :k])

    def forget(self) -> None:
        """Drop what was seen."""
        self.left = self.right = None

    @torch.no_grad()
    def see(self, x: Tensor, slope: Tensor) -> None:
        """Add one call's products, made in the types that autograd makes its own in and kept in float32 or wider."""
        U, V, scale = self.layer.U, self.layer.V, self.layer.scale
        rows, slopes = (t.detach().reshape(-1, t.shape[-1]) for t in (x, slope))
        thin = (rows @ V.to(rows.dtype)).to(slopes.dtype)  # [N, c]; only what is thin changes its type
        left = wide(slopes.mT @ thin)
        right = wide(rows.mT @ (slopes @ U.to(slopes.dtype)).to(rows.dtype))
        if scale != 1.0:
            left, right = left * scale, right * scale
        self.left = left if self.left is None else self.left + left
        self.right = right if self.right is None else self.right + right


@dataclass(slots=True)
class Watch:
    """The low-rank layers that are free to train, by name, and the names of the parameters that belong to none."""

    layers: dict[str, Watched]
    others: tuple[str, ...]
    handles: list[RemovableHandle] = field(default_factory=list)
    open: bool = True

    def look(self, looking: bool) -> None:
        """Forget what was seen, and see the calls from now on, or none."""
        self.open = looking
        for watched in self.layers.values():
            watched.forget()

    def rank(self) -> dict[str, float]:
        """Return the mean number of columns in use over the layers, by its name in a record; nothing without layers."""
        used = [watched.layer.n_used for watched in self.layers.values()]
        return {"rank": sum(used) / len(used)} if used else {}

    def close(self) -> None:
        """Remove every hook."""
        self.look(False)
        for handle in self.handles:
            handle.remove()


def found(problem: Problem) -> Watch:
    """Return the layers of a problem's model, not yet hooked into: for methods that need no more than `.grad`."""
    layers = {name: Watched(layer) for name, layer in low_rank_layers(problem.model).items() if layer.U.requires_grad}
    own = {id(p) for watched in layers.values() for p in watched.layer.parameters()}
    return Watch(layers=layers, others=tuple(name for name, p in problem.params.items() if id(p) not in own))


def watch(problem: Problem) -> Watch:
    """Hook into the calls of the layers of a problem's model."""
    seen = found(problem)
    for watched in seen.layers.values():
        seen.handles.append(watched.layer.register_forward_hook(_hook(seen, watched)))
    return seen


def _hook(seen: Watch, watched: Watched) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if seen.open and module is watched.layer and output.requires_grad:  # a copy of the model has the hook, too
            x = args[0]
            output.register_hook(lambda slope: watched.see(x, slope))  # type: ignore[no-untyped-call]

    return hook
