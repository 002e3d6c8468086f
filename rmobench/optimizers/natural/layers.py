"""Linear and convolutional layers as matrices [d_o, d_i + 1], with what curvature is made of: inputs and gradients."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold
from torch.utils.hooks import RemovableHandle

from rmobench.errors import ArgumentError
from rmobench.types import Problem

SHARING = ("expand", "reduce")
"""How the positions that share a weight count: as samples of their own, or summed up within a sample."""


@dataclass(slots=True)
class Layer:
    """One layer; its weight with the bias as the last column is the matrix W [d_o, d_i (+ 1)]."""

    module: nn.Linear | nn.Conv2d
    names: tuple[str, ...]  # of its parameters: the weight, and the bias if there is one
    sharing: str  # "expand" or "reduce"
    inputs: list[Tensor] = field(default_factory=list)  # rows [m, d_i (+ 1)] over sqrt(m), by calls since `forget`
    slopes: list[Tensor] = field(default_factory=list)  # rows [m, d_o] times sqrt(terms of the mean loss), likewise

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
        rows = self._input_rows(x.detach())

        def keep(g: Tensor) -> None:
            self.inputs.append(rows)
            self.slopes.append(self._slope_rows(g.detach()))

        output.register_hook(keep)  # type: ignore[no-untyped-call]

    def _input_rows(self, x: Tensor) -> Tensor:
        rows = _patches(self.module, x, self.sharing) if isinstance(self.module, nn.Conv2d) else x
        if self.sharing == "reduce" and rows.ndim > 2:
            rows = rows.flatten(1, -2).mean(1)
        rows = rows.flatten(0, -2).to(self.module.weight.dtype)
        if self.module.bias is not None:
            rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        scaled: Tensor = rows * max(len(rows), 1) ** -0.5  # of an empty batch none
        return scaled

    def _slope_rows(self, g: Tensor) -> Tensor:
        """The loss is a mean over the samples g begins with, so that theirs is g times their number."""
        terms = len(g)
        rows = g.movedim(1, -1) if isinstance(self.module, nn.Conv2d) else g
        if self.sharing == "reduce" and rows.ndim > 2:
            rows = rows.flatten(1, -2).sum(1)
        scaled: Tensor = rows.flatten(0, -2).to(self.module.weight.dtype) * terms**0.5
        return scaled


def _patches(conv: nn.Conv2d, x: Tensor, sharing: str) -> Tensor:
    """Return the patches [N, positions, C k k] that a convolution multiplies, or their means [N, C k k] at once."""
    (high, wide), stride, dilation, edges = conv.kernel_size, conv.stride, conv.dilation, conv.padding
    assert not isinstance(edges, str)  # `fits`
    if sharing == "expand":
        return unfold(x, conv.kernel_size, dilation=dilation, padding=edges, stride=stride).mT
    # entry (c, i, j) of the mean patch is the mean of a strided window of the padded image: no patch is ever formed
    x = pad(x, (edges[1], edges[1], edges[0], edges[0]))
    reach = [(side - 1) * d for side, d in zip(conv.kernel_size, dilation, strict=True)]
    ends = [x.shape[2 + k] - reach[k] for k in range(2)]
    means = [
        x[:, :, i : i + ends[0] : stride[0], j : j + ends[1] : stride[1]].mean((2, 3))
        for i in range(0, high * dilation[0], dilation[0])
        for j in range(0, wide * dilation[1], dilation[1])
    ]
    return torch.stack(means, -1).flatten(1)


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
                layer.inputs = [Y * n_passes**-0.5 for Y in layer.inputs]
                layer.slopes = [Y * n_passes**0.5 for Y in layer.slopes]


def layers_of(owner: str, problem: Problem, *, sharing: str) -> Layers:
    """Find the layers whose parameters are all free to train, and hook into their calls.

    Args:
        owner: Whose option `sharing` is, as the message begins.
        problem: Its model's Linear and Conv2d layers; parameters on a manifold, or shared by layers, stay with others.
        sharing: "expand" or "reduce".

    Raises:
        ArgumentError: `sharing` is neither.
    """
    if sharing not in SHARING:
        raise ArgumentError(f"{owner}: got sharing={sharing!r}, expected 'expand' or 'reduce'.")
    free = {id(p): name for name, p in problem.params.items() if name not in problem.manifolds}
    found: list[Layer] = []
    for module in problem.model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d) and fits(module):
            own = [p for p in (module.weight, module.bias) if p is not None]
            if all(id(p) in free for p in own):
                names = tuple(free.pop(id(p)) for p in own)
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
