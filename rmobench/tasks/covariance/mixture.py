"""Mixtures of normal distributions as positive definite matrices of samples with a 1 appended."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from rmobench.geometry.matrices import cholesky, symmetric
from rmobench.tasks.covariance.spectra import log_determinant

N_STARTS = 20
"""Of the search for the lowest value, each at other rows."""

MAX_ITERATIONS = 5000

DROP_MIN = 1e-14
"""Relative drop of the value in one iteration below which only rounding is left."""


def augmented(rows: Tensor) -> Tensor:
    """Return the rows with a 1 appended; [m, d] -> [m, d + 1]."""
    return torch.cat([rows, rows.new_ones(len(rows), 1)], 1)


def joined(mean: Tensor, covariance: Tensor) -> Tensor:
    """Return [[C + u u^T, u], [u^T, 1]] of mean u [..., d] and covariance C [..., d, d]."""
    u = torch.cat([mean, mean.new_ones(*mean.shape[:-1], 1)], -1)
    both: Tensor = torch.nn.functional.pad(covariance, (0, 1, 0, 1)) + u.unsqueeze(-1) * u.unsqueeze(-2)
    return both


def log_densities(x: Tensor, y: Tensor) -> Tensor:
    """Return the logarithm of (2 pi e)^1/2 N(y; 0, x); [..., k, d + 1, d + 1], [m, d + 1] -> [..., m, k].

    Where x is `joined` of a mean and a covariance it is the density of the normal distribution that they describe.
    Source: Hosseini, Sra 2015, NIPS, arXiv 1506.07677, thm. 2.2.
    """
    whitened = torch.linalg.solve_triangular(cholesky(x), y.mT, upper=False)  # [..., k, d + 1, m]
    constant = 1.0 - (y.shape[-1] - 1) * math.log(2.0 * math.pi)
    densities: Tensor = 0.5 * (constant - whitened.square().sum(-2).mT - log_determinant(x).unsqueeze(-2))
    return densities


def negative_log_posterior(x: Tensor, logits: Tensor, y: Tensor, root: Tensor, *, prior: float) -> Tensor:
    """Return the mean of -log p(y) over the rows y, plus the prior's share, [...].

    The weights are softmax(logits, 0). The prior of each x is inverse Wishart: as if its component had seen `prior`
    more rows, spread as all are. It bounds the value from below, which has no minimum where a component can shrink onto
    one row.

    Args:
        x: One matrix for each component, [..., k, d + 1, d + 1].
        logits: [..., k - 1].
        y: Rows `augmented`, [m, d + 1].
        root: R [d + 1, d + 1] with R R^T the mean of y y^T.
        prior: Weight of the prior, in rows.
    """
    log_weights = torch.nn.functional.pad(logits, (0, 1)).log_softmax(-1)
    likelihood = (log_weights.unsqueeze(-2) + log_densities(x, y)).logsumexp(-1).mean(-1)
    spread = torch.linalg.solve_triangular(cholesky(x), root, upper=False).square().sum((-2, -1))
    value: Tensor = 0.5 * prior / len(y) * (log_determinant(x) + spread).sum(-1) - likelihood
    return value


def drawn(rows: Tensor, components: int, generator: Generator) -> Tensor:
    """Return a start [k, d + 1, d + 1]: means at distinct random rows [m, d], and the covariance of all rows."""
    means = rows[torch.randperm(len(rows), generator=generator)[:components]]
    return joined(means, torch.cov(rows.T, correction=0).expand(components, -1, -1))


def lowest(rows: Tensor, components: int, *, prior: float, generator: Generator, n_starts: int = N_STARTS) -> float:
    """Return the lowest value that expectation-maximisation finds from starts `drawn`."""
    starts = torch.stack([drawn(rows, components, generator) for _ in range(n_starts)])
    return fitted(rows, starts, prior=prior)[2].min().item()


def fitted(rows: Tensor, x: Tensor, *, prior: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return matrices, logits and values where expectation-maximisation ends that starts at x and equal weights.

    With r_ij the probability that row y_i is of component j, and M the mean of y y^T, it sets x_j to
    (sum_i r_ij y_i y_i^T + prior M) / (sum_i r_ij + prior) and the weights to the means of r.
    Source: Dempster, Laird, Rubin 1977, J. R. Stat. Soc. B 39(1); prior: Fraley, Raftery 2007, J. Classif. 24(2).

    Args:
        rows: [m, d].
        x: One or many starts, [..., k, d + 1, d + 1].
        prior: Weight of the prior, in rows.
    """
    y = augmented(rows)
    moment = y.T @ y / len(y)
    root, squares = torch.linalg.cholesky(moment), y.unsqueeze(-1) * y.unsqueeze(-2)
    logits = x.new_zeros(*x.shape[:-3], x.shape[-3] - 1)
    values = negative_log_posterior(x, logits, y, root, prior=prior)
    for _ in range(MAX_ITERATIONS):
        log_weights = torch.nn.functional.pad(logits, (0, 1)).unsqueeze(-2)
        shares = (log_weights + log_densities(x, y)).softmax(-1)  # r, [..., m, k]
        counts = shares.sum(-2)
        sums = (shares.mT @ squares.flatten(1)).reshape(x.shape)
        x = symmetric((sums + prior * moment) / (counts + prior)[..., None, None])
        logits = (counts[..., :-1] / counts[..., -1:]).log()
        before, values = values, negative_log_posterior(x, logits, y, root, prior=prior)
        if (before - values <= DROP_MIN * values.abs()).all():
            break
    return x, logits, values
