"""Adafactor-MLP: a small network on Adafactor's accumulators, the strongest published learned baseline."""

from __future__ import annotations

from torch import Generator, Tensor

from rmobench.optimizers.learned.features import N_FEATURES, accumulate, accumulators, features, fresh_decays
from rmobench.optimizers.learned.lift import lift
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta, fresh_mlp, mlp
from rmobench.optimizers.learned.weights import load_weights
from rmobench.registry import optimizer
from rmobench.types import Optimizer, Problem

WIDTHS = (N_FEATURES, 4, 4, 2)  # 190 weights, and 7 decays


def fresh(generator: Generator, **settings: float) -> Theta:
    """Draw the 197 meta-parameters."""
    return fresh_mlp(WIDTHS, generator) | fresh_decays()


def rule(theta: Theta, *, output_gain: float = 1.0) -> Rule:
    """Step by -0.001 d exp(0.001 a), with (d, a) the network's outputs for every entry.

    Args:
        theta: The 197 meta-parameters.
        output_gain: Factor of both outputs. It belongs to the last layer (gain times its weights gives the same rule)
            and stands apart so that training moves outputs of the size that problems need.
    """

    def update(state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
        state = accumulate(theta, state, g)
        d, a = (output_gain * mlp(theta, features(state, x, g), 3)).unbind(-1)
        return -0.001 * d * (0.001 * a).exp(), state

    return Rule(accumulators, update)


ARCHITECTURE = Architecture(fresh=fresh, rule=rule, settings={"output_gain": 1.0})


@optimizer(
    family="learned",
    source="Metz, Freeman, Harrison, Maheswaranathan, Sohl-Dickstein 2022, CoLLAs, arXiv 2203.11860",
    weights=True,
    upcasts="float32",
)
def adafactor_mlp(problem: Problem, *, weights: str = "adafactor_mlp") -> Optimizer:
    """Let a network of 197 meta-parameters choose every entry's step from Adafactor's running means.

    Args:
        problem: Any.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
    """
    return lift(problem, ARCHITECTURE, load_weights(weights, "adafactor_mlp"))
