"""What evolution strategies share: pairs of problems under theta + eps and theta - eps."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rmobench.metatrain.estimator import Inner
from rmobench.optimizers.learned.rule import State, Theta

PERTURBATION = "perturbation."


def draw(theta: Theta, n_pairs: int, sigma: float, generator: Generator) -> Theta:
    """Draw one perturbation per pair, normal with deviation sigma; [n_pairs, *] for every meta-parameter."""
    return {
        name: sigma * torch.randn((n_pairs, *t.shape), generator=generator, dtype=t.dtype).to(t.device)
        for name, t in theta.items()
    }


def n_pairs(memory: State) -> int:
    """Return half the number of problems."""
    return len(next(t for name, t in memory.items() if not name.startswith(PERTURBATION))) // 2


def split(memory: State) -> tuple[Theta, State]:
    """Take the memory apart: perturbations by meta-parameter, and the inner state."""
    noise = {k.removeprefix(PERTURBATION): t for k, t in memory.items() if k.startswith(PERTURBATION)}
    return noise, {k: t for k, t in memory.items() if not k.startswith(PERTURBATION)}


def joined(noise: Theta, state: State) -> State:
    """Put `split`'s parts together again."""
    return {f"{PERTURBATION}{k}": t for k, t in noise.items()} | state


@torch.no_grad()
def both_ways(theta: Theta, noise: Theta, inner: Inner, state: State, n_steps: int) -> tuple[Tensor, Tensor, State]:
    """Advance the first half under theta + noise and the second under theta - noise.

    Returns:
        Losses [2 n_pairs], their differences [n_pairs], and the new state.
    """
    own = {name: torch.cat([t + noise[name], t - noise[name]]) for name, t in theta.items()}
    losses, state = inner.window(own, state, n_steps, own=True)
    plus, minus = losses.chunk(2)
    return losses, plus - minus, state


def weighted(directions: Theta, differences: Tensor, sigma: float) -> Theta:
    """Average directions times differences / (2 sigma^2) over the pairs."""
    factor = differences / (2.0 * sigma**2 * len(differences))
    return {name: torch.tensordot(factor, t, dims=1) for name, t in directions.items()}
