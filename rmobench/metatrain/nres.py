"""Noise-reuse evolution strategies: one perturbation for a whole episode.

Source: Li, Metz et al. 2023, NeurIPS, arXiv 2304.12180, algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.metatrain.antithetic import both_ways, draw, joined, n_pairs, split, weighted
from rmobench.metatrain.estimator import Inner
from rmobench.optimizers.learned.rule import State, Theta


@dataclass(frozen=True, slots=True)
class NRES:
    """Keep an episode's perturbation from window to window: it smooths the objective of the whole episode."""

    sigma: float
    copies: int = 2

    def begin(self, theta: Theta, inner: Inner) -> State:
        """Carry the inner state; the perturbation is drawn with the first window."""
        return inner.begin(theta)

    @torch.no_grad()
    def gradient(
        self, theta: Theta, inner: Inner, memory: State, n_steps: int, generator: Generator
    ) -> tuple[Theta, Tensor, State]:
        """Estimate by the mean over pairs of eps (L+ - L-) / (2 sigma^2), eps the episode's perturbation."""
        noise, state = split(memory)
        noise = noise or draw(theta, n_pairs(memory), self.sigma, generator)
        losses, differences, state = both_ways(theta, noise, inner, state, n_steps)
        return weighted(noise, differences, self.sigma), losses, joined(noise, state)
