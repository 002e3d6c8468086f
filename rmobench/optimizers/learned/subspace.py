"""Subspace adaptation: one small LSTM scales the rows and the columns of every Riemannian gradient.

Source: Yu, Wu, Gao, Fan, Jia 2025, CVIU 253, 104306, arXiv 2501.15235. It is RASA (Kasai, Jawanpuria, Mishra 2019,
ICML) with the power -1/4 of the row and column statistics replaced by a learned map. Features are computed in the type
that the rule computes in, float32 or wider; published is float32.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from rmobench.optimizers.learned.lift import Trained
from rmobench.optimizers.learned.lstm import fresh_lstm, lstm
from rmobench.optimizers.learned.riemannian_lift import riemannian_lift
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta, fresh_linear, linear
from rmobench.optimizers.learned.weights import load_weights
from rmobench.optimizers.options import check_options
from rmobench.registry import optimizer
from rmobench.types import Log, Optimizer, Problem

HIDDEN, LAYERS = 20, 2
FEATURE_SCALE = 10.0  # natural logarithms are divided by it and clipped to [-1, 1]


def fresh(generator: Generator) -> Theta:
    """Draw the 5,242 meta-parameters: the LSTM that rows and columns share, and a head for each."""
    theta = fresh_lstm("lstm", 1, HIDDEN, LAYERS, generator)
    theta |= fresh_linear("rows", HIDDEN, 1, generator, gain=0.1)
    theta |= fresh_linear("columns", HIDDEN, 1, generator, gain=0.1)
    return theta


def rule(theta: Theta, *, scale_free: bool = False) -> Rule:
    """Step by -diag(l) G diag(r), G the Riemannian gradient times the learning rate, [..., n, p].

    Args:
        theta: The meta-parameters; none depends on n or p.
        scale_free: Divide the statistics by their mean before the logarithm; not in the publication.
    """

    def init(x: Tensor) -> State:
        *batch, n, p = x.shape
        row = x.new_zeros(LAYERS, *batch, n, HIDDEN)
        column = x.new_zeros(LAYERS, *batch, p, HIDDEN)
        largest = {"l": x.new_zeros(*batch, n), "r": x.new_zeros(*batch, p)}
        seen = {"t": x.new_zeros(batch), "saturated": x.new_zeros(batch)}
        return {"row_h": row, "row_c": row, "column_h": column, "column_c": column} | largest | seen

    def update(state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
        lengths = {side: torch.linalg.vector_norm(g.detach(), dim=d) for side, d in (("row", -1), ("column", -2))}
        # their squares are the diagonals of g g^T and g^T g, neither of which is formed
        features = {side: feature(length.square(), scale_free=scale_free) for side, length in lengths.items()}
        both = torch.cat(list(features.values()), -1)
        new: State = {"t": state["t"] + 1.0, "saturated": state["saturated"] + (both <= -1.0).to(x.dtype).mean(-1)}
        for side, largest, head in (("row", "l", "rows"), ("column", "r", "columns")):
            h, c = lstm(theta, "lstm", features[side].unsqueeze(-1), state[f"{side}_h"], state[f"{side}_c"])
            scale = linear(theta, head, h[-1]).squeeze(-1)
            scale = scale - scale.mean(-1, keepdim=True) + 1.0
            new |= {f"{side}_h": h, f"{side}_c": c, largest: torch.maximum(state[largest], scale)}
        return -new["l"].unsqueeze(-1) * g * new["r"].unsqueeze(-2), new

    return Rule(init, update)


def feature(sums: Tensor, *, scale_free: bool) -> Tensor:
    """Return log(sums) / 10 clipped to [-1, 1]; [..., n] -> [..., n]."""
    if scale_free:
        sums = sums / sums.mean(-1, keepdim=True).clamp_min(torch.finfo(sums.dtype).tiny)
    return (sums.log() / FEATURE_SCALE).clamp(-1.0, 1.0)


def saturation(states: Iterable[State]) -> dict[str, float]:
    """Return the mean share of features at the lower clip, where the rule cannot tell them apart."""
    shares = [(state["saturated"] / state["t"]).mean().item() for state in states]
    return {"saturated": sum(shares) / len(shares)} if shares else {}


ARCHITECTURE = Architecture(fresh=fresh, rule=rule, settings={})


@optimizer(
    family="learned",
    source="Yu, Wu, Gao, Fan, Jia 2025, CVIU 253, 104306, arXiv 2501.15235",
    needs=("matrix_parameters",),
    handles=("stiefel", "grassmann"),
    weights=True,
    version=2,
    upcasts="float32",
    search={"lr": Log(1e-3, 100.0)},
)
def subspace(problem: Problem, *, lr: float = 1.0, weights: str = "subspace") -> Optimizer:
    """Let one LSTM of 5,242 weights scale the rows and the columns of every Riemannian gradient.

    Args:
        problem: With matrices on a manifold; parameters without one take plain gradient descent.
        lr: Factor of the gradients that the rule sees, whose steps are as long on average, or longer; step length of
            the parameters without a manifold.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.

    Raises:
        ArgumentError: An option that is not in its range.
    """
    check_options("subspace", lr=lr)
    trained = Trained(ARCHITECTURE, load_weights(weights, "subspace"))
    return riemannian_lift(problem, trained, lr=lr, diagnostics=saturation)
