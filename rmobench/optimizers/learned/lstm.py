"""A stack of LSTM layers as a pure function of its weights."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rmobench.optimizers.learned.rule import Theta


def fresh_lstm(name: str, n_in: int, n_hidden: int, n_layers: int, generator: Generator) -> Theta:
    """Draw the layers name.0, name.1, ...: everything uniform in +-1 / sqrt(n_hidden), as torch.nn.LSTM does."""
    theta: Theta = {}
    bound = n_hidden**-0.5
    for layer in range(n_layers):
        shapes = {
            "weight_ih": (4 * n_hidden, n_in if layer == 0 else n_hidden),
            "weight_hh": (4 * n_hidden, n_hidden),
            "bias_ih": (4 * n_hidden,),
            "bias_hh": (4 * n_hidden,),
        }
        for part, shape in shapes.items():
            theta[f"{name}.{layer}.{part}"] = bound * (2.0 * torch.rand(shape, generator=generator) - 1.0)
    return theta


def lstm(theta: Theta, name: str, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Take one step in time with every row of a batch.

    Args:
        theta: The weights of `fresh_lstm`.
        name: Of the stack.
        x: Input [..., i].
        h: Outputs of the layers one step before, [L, ..., o].
        c: Their cells, [L, ..., o].

    Returns:
        The new h and c; the output of the stack is h[-1].

    Source: Hochreiter, Schmidhuber 1997, Neural Computation 9(8), with the forget gate of Gers et al. 2000.
    """
    outputs, cells = [], []
    for layer, (h_, c_) in enumerate(zip(h, c, strict=True)):
        part = f"{name}.{layer}"
        gates = (
            x @ theta[f"{part}.weight_ih"].mT
            + h_ @ theta[f"{part}.weight_hh"].mT
            + (theta[f"{part}.bias_ih"] + theta[f"{part}.bias_hh"])
        )
        i, f, g, o = gates.chunk(4, -1)
        cell = f.sigmoid() * c_ + i.sigmoid() * g.tanh()
        x = o.sigmoid() * cell.tanh()
        outputs.append(x)
        cells.append(cell)
    return torch.stack(outputs), torch.stack(cells)
