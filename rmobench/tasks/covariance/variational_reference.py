"""Where Gaussian variational inference ends: minima by trust-region Newton steps from many starts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import minimize
from torch import Tensor

from rmobench.tasks.covariance.structured_support import drawn, reduced
from rmobench.tasks.covariance.valley import Valley
from rmobench.tasks.covariance.variational import SHARPNESS, drawn_mean, negative_elbo
from rmobench.tasks.streams import stream

NARROW = 100.0
"""How much sharper every other start is: from those the mean falls to the bottom of the valley before q is wide."""

MAX_ITERATIONS = 2000
"""Of the trust region, which ends by itself after less than a hundred."""

N_NEWTON = 6
"""Plain Newton steps at the end; one or two arrive at rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stationary:
    """A point without slope: all numbers float64."""

    mean: Tensor  # [d]
    factor: Tensor  # B [d, d], on the support, with a positive diagonal; the precision is B B^T
    value: float
    slope: float  # largest entry of the gradient in mean, log b_ii and b_ij
    curvature: float  # lowest eigenvalue of the Hessian in the same coordinates: positive at a minimum


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The mean, log b_ii on the diagonal and b_ij below, of the entries on the support, as one vector z."""

    support: Tensor  # [d, d], 1 or 0, triangular in some order of the rows

    def point(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean [d] and B [d, d] of z."""
        d, (rows, columns) = len(self.support), self.support.nonzero(as_tuple=True)
        entries = torch.where(rows == columns, z[d:].exp(), z[d:])
        return z[:d], torch.zeros_like(self.support).index_put((rows, columns), entries)

    def of(self, mean: Tensor, factor: Tensor) -> Tensor:
        """Return z of mean [d] and B [d, d] on the support, with a positive diagonal."""
        rows, columns = self.support.nonzero(as_tuple=True)
        entries = factor[rows, columns]
        return torch.cat([mean, torch.where(rows == columns, entries.abs().log(), entries)])


def stationary(valley: Valley, support: Tensor, *, temperature: float, start: tuple[Tensor, Tensor]) -> Stationary:
    """Return the stationary point that a descent from a start (mean, B) ends at.

    Args:
        valley: l.
        support: 1 where the factor may have entries, [d, d], triangular in some order of the rows.
        temperature: Weight of the entropy.
        start: [d] and [d, d].
    """
    coordinates = Coordinates(support)

    def value(z: Tensor) -> Tensor:
        mean, B = coordinates.point(z)
        return negative_elbo(mean, B, valley.weights, valley.centres, walls=valley.walls, temperature=temperature)

    slope = torch.func.grad(value)
    hessian = torch.func.jacrev(slope)
    found = minimize(
        lambda z: value(torch.as_tensor(z)).item(),
        coordinates.of(*start).numpy(),
        jac=lambda z: slope(torch.as_tensor(z)).numpy(),
        hess=lambda z: hessian(torch.as_tensor(z)).numpy(),
        method="trust-exact",
        options={"gtol": 1e-8, "maxiter": MAX_ITERATIONS},
    )
    z = torch.as_tensor(found.x)
    for _ in range(N_NEWTON):
        following = z - torch.linalg.solve(hessian(z), slope(z))
        if not slope(following).abs().max() < slope(z).abs().max():
            break
        z = following
    mean, B = coordinates.point(z)
    return Stationary(
        mean=mean,
        factor=B,
        value=value(z).item(),
        slope=slope(z).abs().max().item(),
        curvature=torch.linalg.eigvalsh(hessian(z))[0].item(),
    )


def ends(valley: Valley, support: Tensor, *, temperature: float, n_starts: int) -> list[Stationary]:
    """Return where descents end from random starts of seeds 0, 1, ..., the lowest first.

    Args:
        valley: l.
        support: 1 where the factor may have entries, [d, d]. Those count that are left of it `reduced`.
        temperature: Weight of the entropy.
        n_starts: How many; every other one is NARROW.
    """
    support, found = reduced(support), []
    for seed in range(n_starts):
        generator = stream(seed, "reference")
        sharpness = SHARPNESS * (NARROW if seed % 2 else 1.0)
        start = drawn_mean(len(support), generator), sharpness**0.5 * drawn(support, generator)
        found.append(stationary(valley, support, temperature=temperature, start=start))
    return sorted(found, key=lambda s: s.value)
