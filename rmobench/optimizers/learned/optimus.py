"""Optimus: a Transformer over the coordinates learns to precondition.

Published (Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055; no code): the Adafactor-MLP
features of each parameter are tokens; three stacked Transformer encoders predict rank-one updates of a preconditioner
B, as BFGS would; a branch per parameter predicts step size and direction; meta-trained by PES; one set of weights for
every dimension.

Ours, where the description is silent: pre-norm encoders without positional code (Xiong et al. 2020, arXiv 2002.04745),
one rank-one update per encoder, their mean added to B, B divided by its mean eigenvalue and kept off singularity by a
share of the identity, and the scales. The shipped weights were trained by truncated back-propagation and not by PES,
with a branch 32 wide; their recipe says all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from rmobench.errors import ArgumentError, UnfitError
from rmobench.optimizers.learned.encoder import encode, fresh_encoder
from rmobench.optimizers.learned.features import N_FEATURES, accumulate, accumulators, features, fresh_decays
from rmobench.optimizers.learned.lift import lift
from rmobench.optimizers.learned.rule import Architecture, Rule, State, Theta, fresh_linear, fresh_mlp, linear, mlp
from rmobench.optimizers.learned.weights import load_weights
from rmobench.registry import optimizer
from rmobench.types import Optimizer, Problem


def fresh(
    generator: Generator, *, width: int = 32, layers: int = 3, heads: int = 4, head_width: int = 4, **settings: float
) -> Theta:
    """Draw the meta-parameters: the Adafactor-MLP head, the embedding, the encoders and their readouts w_l."""
    theta = fresh_mlp((N_FEATURES, head_width, head_width, 2), generator) | fresh_decays()
    theta |= fresh_linear("embedding", N_FEATURES, width, generator)
    for layer in range(layers):
        theta |= fresh_encoder(f"encoder.{layer}", width, generator)
        theta[f"readout.{layer}"] = torch.randn(width, generator=generator) * (0.1 / width**0.5)
    return theta


def rule(
    theta: Theta,
    *,
    width: int = 32,
    layers: int = 3,
    heads: int = 4,
    head_width: int = 4,
    use_B: bool = True,
    normalise_B: bool = True,
    floor_B: float = 1e-4,
    step_scale: float = 0.001,
    exponent_scale: float = 0.001,
) -> Rule:
    """Step by -B s with s = step_scale d exp(exponent_scale a).

    Args:
        theta: The meta-parameters; none depends on the dimension D.
        width: Of the encoders.
        layers: Number L of encoders, and of rank-one updates of B per step.
        heads: Of the attention.
        head_width: Hidden width of the branch that gives d and a; 4 is Adafactor-MLP's.
        use_B: Off: the branch alone, which is Adafactor-MLP.
        normalise_B: Divide B by trace(B) / D after every update, and mix it with the identity.
        floor_B: Share of the identity in that mixture. Without it the eigenvalues of directions that no update touches
            shrink geometrically and are lost in rounding; with it none falls below floor_B.
        step_scale: Of d.
        exponent_scale: Of a.
    """

    def init(x: Tensor) -> State:
        state = accumulators(x)
        return state | {"B": torch.eye(len(x), dtype=x.dtype, device=x.device)} if use_B else state

    def update(state: State, x: Tensor, g: Tensor) -> tuple[Tensor, State]:
        new = accumulate(theta, state, g)
        z = features(new, x, g)  # [D, 39]
        d, a = mlp(theta, z, 3).unbind(-1)
        s = step_scale * d * (exponent_scale * a).exp()  # [D]
        if not use_B:
            return -s, new
        u = rank_one_updates(theta, z, layers=layers, heads=heads)  # [L, D]
        B = state["B"] + u.mT @ u / layers
        if normalise_B:
            B = B * (len(x) / B.diagonal().sum())
            B = B.lerp(torch.eye(len(x), dtype=B.dtype, device=B.device), floor_B)
        return -(B @ s), new | {"B": B}

    return Rule(init, update)


def rank_one_updates(theta: Theta, z: Tensor, *, layers: int, heads: int) -> Tensor:
    """Read one vector u over the coordinates from every encoder; [D, 39] -> [L, D]."""
    h = linear(theta, "embedding", z)  # [D, width]
    u = []
    for layer in range(layers):
        h = encode(theta, f"encoder.{layer}", h, heads=heads)
        u.append(h @ theta[f"readout.{layer}"])
    return torch.stack(u)


ARCHITECTURE = Architecture(
    fresh=fresh,
    rule=rule,
    flat=True,
    settings={
        "width": 32,
        "layers": 3,
        "heads": 4,
        "head_width": 4,
        "use_B": True,
        "normalise_B": True,
        "floor_B": 1e-4,
        "step_scale": 0.001,
        "exponent_scale": 0.001,
    },
)


@optimizer(
    family="learned",
    source="Gaertner, Metz, Andriluka, Freeman, Sminchisescu 2023, CVPR, arXiv 2212.01055; our reconstruction",
    weights=True,
    upcasts="float32",
)
def optimus(problem: Problem, *, weights: str = "optimus", dim_max: int = 2000) -> Optimizer:
    """Let a Transformer over all coordinates update a preconditioner, and a small network choose the step.

    Memory and time grow with the square of the number D of parameters.

    Args:
        problem: Any with at most dim_max parameters; they are seen as one vector.
        weights: Name of packaged weights, or the path of a .safetensors file with its .json beside it.
        dim_max: Largest D that is accepted.

    Raises:
        UnfitError: The problem has more parameters.
    """
    trained = load_weights(weights, "optimus")
    check_dim(list(problem.params.values()), trained.settings, dim_max)
    return lift(problem, ARCHITECTURE, trained)


def check_dim(params: Sequence[Tensor], settings: Mapping[str, bool | int | float], dim_max: int) -> None:
    """Refuse more coordinates than memory is meant for.

    Raises:
        ArgumentError: dim_max is no limit.
        UnfitError: The parameters have more coordinates together; the message says what they would need.
    """
    if dim_max < 1:
        raise ArgumentError(f"optimus: got dim_max={dim_max}, expected at least 1.")
    dim = sum(p.numel() for p in params)
    if dim > dim_max:
        itemsize = max(torch.promote_types(p.dtype, torch.float32).itemsize for p in params)
        gigabytes = (2 + 2 * settings["heads"]) * dim**2 * itemsize / 1e9  # B, its successor; scores and shares
        raise UnfitError(
            f"optimus: got {dim} parameters as one vector, expected at most dim_max={dim_max}: the preconditioner and "
            f"the attention would need some {gigabytes:.3g} GB. Raise dim_max if you have them."
        )
