"""A per-coordinate network on momentum alone: the plain learned baseline."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rmobench.optimizers.learned.features import normalised
from rmobench.optimizers.learned.lift import lift
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta, fresh_mlp, mlp
from rmobench.optimizers.learned.weights import load_weights
from rmobench.registry import optimizer
from rmobench.types import Optimizer, Problem

MOMENTUM = (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
WIDTHS = (2 + len(MOMENTUM) + 11, 32, 32, 2)  # 19 features


def fresh(generator: Generator, **settings: float) -> Theta:
    """Draw the 1,762 meta-parameters."""
    return fresh_mlp(WIDTHS, generator)


def rule(theta: Theta, *, output_gain: float = 1.0) -> Rule:
    """Step by -0.001 d exp(0.001 a), with (d, a) the network's outputs for every entry.

    Args:
        theta: The meta-parameters.
        output_gain: Factor of both outputs, part of the last layer.
    """

    def init(x: Tensor) -> State:
        return {"t": x.new_zeros(()), "m": x.new_zeros((len(MOMENTUM), *x.shape))}

    def update(state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
        b = g.new_tensor(MOMENTUM).reshape(-1, *(1,) * g.ndim)
        state = {"t": state["t"] + 1.0, "m": state["m"] + (1.0 - b) * (g - state["m"])}
        d, a = (output_gain * mlp(theta, features(state, x, g), 3)).unbind(-1)
        return -0.001 * d * (0.001 * a).exp(), state

    return Rule(init, update)


def features(state: State, x: Tensor, g: Tensor) -> Tensor:
    """Stack gradient, parameter and six momenta, each with mean square 1 over the tensor, and time; [*] -> [*, 19]."""
    return normalised(torch.cat([g.unsqueeze(0), x.unsqueeze(0), state["m"]]), state["t"])


ARCHITECTURE = Architecture(fresh=fresh, rule=rule, settings={"output_gain": 1.0})


@optimizer(
    family="learned",
    source="Metz, Maheswaranathan, Nixon, Freeman, Sohl-Dickstein 2019, ICML, arXiv 1810.10180; "
    "features as in Metz et al. 2022, arXiv 2203.11860, sec. 3",
    weights=True,
    upcasts="float32",
)
def mlp_lopt(problem: Problem, *, weights: str = "mlp_lopt") -> Optimizer:
    """Let a network choose every entry's step from the gradient, six momenta and the time.

    Args:
        problem: Any.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
    """
    return lift(problem, ARCHITECTURE, load_weights(weights, "mlp_lopt"))
