"""Persistent evolution strategies: unbiased though it sees one window at a time.

Source: Vicol, Metz, Sohl-Dickstein 2021, ICML, arXiv 2112.13835, algorithm 2 (antithetic).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from rmobench.metatrain.antithetic import both_ways, draw, joined, n_pairs, split, weighted
from rmobench.metatrain.estimator import Inner
from rmobench.optimizers.learned.rule import State, Theta


@dataclass(frozen=True, slots=True)
class PES:
    """Draw a fresh perturbation per window, and credit the window's loss to the sum of all since the start."""

    sigma: float
    copies: int = 2

    def begin(self, theta: Theta, inner: Inner) -> State:
        """Carry the inner state and the accumulated perturbations xi, zero."""
        state = inner.begin(theta)
        n = n_pairs(state)
        return joined({name: t.new_zeros((n, *t.shape)) for name, t in theta.items()}, state)

    @torch.no_grad()
    def gradient(
        self, theta: Theta, inner: Inner, memory: State, n_steps: int, generator: Generator
    ) -> tuple[Theta, Tensor, State]:
        """Estimate by the mean over pairs of xi (L+ - L-) / (2 sigma^2)."""
        xi, state = split(memory)
        noise = draw(theta, n_pairs(memory), self.sigma, generator)
        xi = {name: xi[name] + noise[name] for name in theta}
        losses, differences, state = both_ways(theta, noise, inner, state, n_steps)
        return weighted(xi, differences, self.sigma), losses, joined(xi, state)
