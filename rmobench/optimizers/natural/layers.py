"""Linear and convolutional layers as matrices [d_o, d_i + 1], with what curvature is made of: inputs and gradients."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from rmobench.errors import ArgumentError
from rmobench.optimizers.natural.rows import Patches, Plain, Rows, patch_means
from rmobench.types import Problem

SHARING = ("expand", "reduce")
"""How the positions that share a weight count: as samples of their own, or summed up within a sample."""


@dataclass(slots=True)
class Layer:
    """One layer; its weight with the bias as the last column is the matrix W [d_o, d_i (+ 1)]."""

    module: nn.Linear | nn.Conv2d
    names: tuple[str, ...]  # of its parameters: the weight, and the bias if there is one
    sharing: str  # "expand" or "reduce"
    inputs: list[Rows] = field(default_factory=list)  # [m, d_i (+ 1)] over sqrt(m), by calls since `forget`
    slopes: list[Rows] = field(default_factory=list)  # [m, d_o] times sqrt(terms of the mean loss), likewise

    @property
    def shape(self) -> tuple[int, int]:
        """Return (d_o, d_i (+ 1))."""
        weight = self.module.weight
        return len(weight), weight[0].numel() + (self.module.bias is not None)

    def parts(self, matrix: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors like its parameters that one matrix of the layer's shape is made of."""
        weight = self.module.weight
        if self.module.bias is None:
            return (matrix.reshape(weight.shape),)
        return matrix[:, :-1].reshape(weight.shape), matrix[:, -1]

    def gradient(self) -> Tensor | None:
        """Return the gradient of W, None where there is none."""
        weight, bias = self.module.weight, self.module.bias
        if weight.grad is None:
            return None
        flat = weight.grad.flatten(1)
        return flat if bias is None or bias.grad is None else torch.cat([flat, bias.grad[:, None]], 1)

    def forget(self) -> None:
        """Drop what was seen."""
        self.inputs.clear()
        self.slopes.clear()

    def see(self, x: Tensor, output: Tensor) -> None:
        """Keep the rows of an input and of the output's gradient, once that is known: many a call has none."""
        rows = self._input_rows(x.detach().to(self.module.weight.dtype))

        def keep(g: Tensor) -> None:
            self.inputs.append(rows)
            self.slopes.append(self._slope_rows(g.detach().to(self.module.weight.dtype)))

        output.register_hook(keep)  # type: ignore[no-untyped-call]

    def _input_rows(self, x: Tensor) -> Rows:
        if isinstance(self.module, nn.Conv2d):
            if self.sharing == "expand":
                patches = Patches(self.module, x, x.new_ones(()))
                return patches.times(max(len(patches), 1) ** -0.5)  # of an empty batch none
            x = patch_means(self.module, x)
        elif self.sharing == "reduce" and x.ndim > 2:
            x = x.flatten(1, -2).mean(1)
        rows = x.flatten(0, -2)
        if self.module.bias is not None:
            rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        return Plain(rows).times(max(len(rows), 1) ** -0.5)

    def _slope_rows(self, g: Tensor) -> Rows:
        """The loss is a mean over the samples g begins with, so that theirs is g times their number."""
        rows = g.movedim(1, -1) if isinstance(self.module, nn.Conv2d) else g
        if self.sharing == "reduce" and rows.ndim > 2:
            rows = rows.flatten(1, -2).sum(1)
        scaled = torch.mul(rows, len(g) ** 0.5, out=rows.new_empty(rows.shape))  # in the order of the rows at once
        return Plain(scaled.flatten(0, -2))


def fits(module: nn.Module) -> bool:
    """Return whether a layer is one matrix that multiplies inputs or patches: no groups, and edges of zeros."""
    if isinstance(module, nn.Conv2d):
        return module.groups == 1 and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return isinstance(module, nn.Linear)


@dataclass(slots=True)
class Layers:
    """All layers of a model that fit, and the names of the parameters that belong to none."""

    layers: list[Layer]
    others: tuple[str, ...]
    handles: list[RemovableHandle]
    watching: bool = False

    def close(self) -> None:
        """Remove every hook."""
        for handle in self.handles:
            handle.remove()
        for layer in self.layers:
            layer.forget()

    def watch(self, watching: bool) -> None:
        """Keep inputs and gradients of the calls from now on, or no longer; forget the earlier ones."""
        self.watching = watching
        for layer in self.layers:
            layer.forget()

    def join(self, n_passes: int) -> None:
        """Weigh what n backward passes left as one pass over all their samples, each loss divided by n."""
        if n_passes > 1:
            for layer in self.layers:
                layer.inputs = [Y.times(n_passes**-0.5) for Y in layer.inputs]
                layer.slopes = [Y.times(n_passes**0.5) for Y in layer.slopes]


def layers_of(owner: str, problem: Problem, *, sharing: str) -> Layers:
    """Find the layers whose parameters are all free to train, and hook into their calls.

    Args:
        owner: Whose option `sharing` is, as the message begins.
        problem: Its model's Linear and Conv2d layers; parameters on a manifold, or shared by modules, stay with others.
        sharing: "expand" or "reduce".

    Raises:
        ArgumentError: `sharing` is neither.
    """
    if sharing not in SHARING:
        raise ArgumentError(f"{owner}: got sharing={sharing!r}, expected 'expand' or 'reduce'.")
    modules = list(problem.model.modules())
    owners = Counter(id(p) for module in modules for p in module.parameters(recurse=False))
    named = {id(p): name for name, p in problem.params.items() if name not in problem.manifolds}
    free = {key: name for key, name in named.items() if owners[key] == 1}  # what two share sees the inputs of both
    found: list[Layer] = []
    for module in modules:
        if isinstance(module, nn.Linear | nn.Conv2d) and fits(module):
            own = [p for p in (module.weight, module.bias) if p is not None]
            if all(id(p) in free for p in own):
                names = tuple(free[id(p)] for p in own)
                found.append(Layer(module=module, names=names, sharing=sharing))
    taken = {name for layer in found for name in layer.names}
    all_layers = Layers(layers=found, others=tuple(n for n in problem.params if n not in taken), handles=[])

    def hook(layer: Layer, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        own = module is layer.module  # a copy of the model has these very hooks, too
        if own and all_layers.watching and output.requires_grad:
            layer.see(args[0], output)

    for layer in found:
        all_layers.handles.append(
            layer.module.register_forward_hook(lambda *call, layer=layer: hook(layer, *call))  # copies as it is
        )
    return all_layers
