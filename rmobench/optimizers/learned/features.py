"""The 39 features of Adafactor-MLP: 28 of the tensors, 11 of time.

Source: Metz, Freeman, Harrison, Maheswaranathan, Sohl-Dickstein 2022, CoLLAs, arXiv 2203.11860. Ours, and not as in the
authors' code: a tensor of three or more dimensions is a matrix, the first dimension against all others (theirs factors
the two largest), rows are always the first dimension (theirs the smaller one), decays are at least 0, and the factored
normaliser has no floor beyond the 1e-30 in the squares. For vectors only the last two apply.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.optimizers.learned.rule import State, Theta

MOMENTUM = (0.9, 0.99, 0.999)  # decays of the means of g
RMS = (0.999,)  # of g^2
FACTORED = (0.9, 0.99, 0.999)  # of the row and column means of g^2
TIMESCALES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5)  # steps
N_FEATURES = 28 + len(TIMESCALES)
DECAYS = {"decay.momentum": MOMENTUM, "decay.rms": RMS, "decay.factored": FACTORED}


def fresh_decays() -> Theta:
    """Return the seven learned decays where they equal their initial values."""
    return {name: torch.zeros(len(initial)) for name, initial in DECAYS.items()}


def decay(theta: Theta, name: str) -> Tensor:
    """Return 1 - exp(10 (log(1 - b0) / 10 + theta)), at least 0; [k]."""
    offset = theta[name]
    room = (1.0 - offset.new_tensor(DECAYS[name])).log() / 10.0
    return (1.0 - torch.exp(10.0 * (room + offset))).clamp_min(0.0)


def accumulators(x: Tensor) -> State:
    """Return the accumulators before the first step.

    Tensors of two or more dimensions are seen as a matrix, the first dimension against all others; its row and column
    means of g^2 are kept, of all other tensors the diagonal.
    """
    state = {
        "t": x.new_zeros(()),
        "m": x.new_zeros((3, *x.shape)),
        "v": x.new_zeros((1, *x.shape)),
    }
    if x.ndim < 2:
        return state | {"diagonal": x.new_zeros((3, *x.shape))}
    n_rows = x.shape[0]
    n_columns = x.numel() // n_rows
    return state | {"row": x.new_zeros(3, n_rows, 1), "column": x.new_zeros(3, 1, n_columns)}


def accumulate(theta: Theta, state: State, g: Tensor) -> State:
    """Take a gradient into the accumulators: m <- b m + (1 - b) g, and so on, without bias correction."""

    def mean(name: str, old: Tensor, new: Tensor) -> Tensor:
        b = decay(theta, name).reshape(-1, *(1,) * (old.ndim - 1))
        return old + (1.0 - b) * (new - old)

    square = g.square()
    new = {
        "t": state["t"] + 1.0,
        "m": mean("decay.momentum", state["m"], g),
        "v": mean("decay.rms", state["v"], square),
    }
    square = square + 1e-30
    if g.ndim < 2:
        return new | {"diagonal": mean("decay.factored", state["diagonal"], square)}
    matrix = square.reshape(g.shape[0], -1)
    return new | {
        "row": mean("decay.factored", state["row"], matrix.mean(1, keepdim=True)),
        "column": mean("decay.factored", state["column"], matrix.mean(0, keepdim=True)),
    }


def features(state: State, x: Tensor, g: Tensor) -> Tensor:
    """Stack what the network sees of every entry; [*] -> [*, 39].

    Args:
        state: Accumulators that hold g already.
        x: Parameter.
        g: Gradient.
    """
    m, v = state["m"], state["v"]
    row, column, normaliser = factored(state, x)
    rsqrt_v = torch.rsqrt(v + 1e-6)
    tensors = torch.cat(
        [
            g.unsqueeze(0),
            x.unsqueeze(0),
            m,
            v,
            m * rsqrt_v,
            rsqrt_v,
            g * normaliser,
            row,
            column,
            torch.rsqrt(row + 1e-8),
            torch.rsqrt(column + 1e-8),
            m * normaliser,
        ]
    )
    return normalised(tensors, state["t"])


def normalised(tensors: Tensor, t: Tensor) -> Tensor:
    """Bring every tensor feature to mean square 1 over the entries and append time; [k, *] -> [*, k + 11].

    Args:
        tensors: Features.
        t: Number of gradients seen.
    """
    entries = tuple(range(1, tensors.ndim))
    scale = tensors.square().mean(entries, keepdim=True) if entries else tensors.square()
    tensors = tensors * torch.rsqrt(1e-5 + scale)
    time = time_features(t).expand(*tensors.shape[1:], -1)
    return torch.cat([tensors.movedim(0, -1), time], dim=-1)


def factored(state: State, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the row means, the column means and Adafactor's 1 / sqrt(row column / mean row), each spread; [3, *]."""
    if x.ndim < 2:
        diagonal = state["diagonal"]
        return diagonal, diagonal, torch.rsqrt(diagonal)
    row, column = state["row"], state["column"]
    shape = (3, x.shape[0], x.numel() // x.shape[0])
    normaliser = torch.rsqrt(row / row.mean(1, keepdim=True)) * torch.rsqrt(column)
    spread = (row.expand(shape), column.expand(shape), normaliser)
    return tuple(f.reshape(3, *x.shape) for f in spread)  # type: ignore[return-value]  # three of them


def time_features(t: Tensor) -> Tensor:
    """Return tanh(t / tau - 1) for 11 timescales, t the number of steps before this one; [] -> [11]."""
    return torch.tanh((t - 1.0) / t.new_tensor(TIMESCALES) - 1.0)
