"""The penalty and singular value bounding: torch's SGD on what they stand for, and where they come to rest."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import polar_factor
from rmobench.optimizers.riemannian.penalty import penalty
from rmobench.optimizers.riemannian.svb import bounded, svb
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from tests.optimizers.frames import bowl, frame, iterates
from tests.optimizers.plain_oracle import PlainOracle, drive, normal

ROUNDING = 1e-12


def sgd(f, x: Tensor, n_steps: int, *, lr: float, momentum: float, after=lambda x: x) -> Tensor:
    """Return the iterates of torch.optim.SGD, each changed by `after`."""
    x, points = x.clone().requires_grad_(), []
    inner = torch.optim.SGD([x], lr=lr, momentum=momentum)
    for _ in range(n_steps):
        inner.zero_grad()
        f(x).backward()
        inner.step()
        with torch.no_grad():
            x.copy_(after(x))
        points.append(x.detach().clone())
    return torch.stack(points)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_penalty_is_a_term_of_the_objective(momentum: float) -> None:
    eye = torch.eye(3, dtype=torch.float64)
    theirs = sgd(lambda x: bowl(x) + 0.7 * (x.mT @ x - eye).square().sum(), frame(6, 3), 50, lr=0.01, momentum=momentum)
    ours = iterates(penalty, bowl, frame(6, 3), 50, lr=0.01, momentum=momentum, weight=0.7)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_the_penalty_rests_off_the_manifold(weight: float) -> None:
    """For principal components x^T x - I has the eigenvalues of the covariance over 2 weight there."""
    p = pca_digits(0, torch.device("cpu"), torch.float64, rank=3)
    drive(penalty(p, lr=0.1 / weight, weight=weight), PlainOracle(p), n_steps=1500)
    largest = torch.linalg.eigvalsh(p.model.get_buffer("covariance"))[-3:]
    metrics = p.judge(p.model)
    assert metrics["gap"] < 1e-6
    assert metrics["residual"] == pytest.approx(largest.norm().item() / (2.0 * weight), rel=1e-3)


@pytest.mark.parametrize("band", [0.0, 0.05, 0.5])
def test_svb_bounds_every_step_of_sgd(band: float) -> None:
    theirs = sgd(bowl, frame(6, 3), 30, lr=0.05, momentum=0.9, after=lambda x: bounded(x, band))
    ours = iterates(svb, bowl, frame(6, 3), 30, lr=0.05, band=band)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=ROUNDING)
    values = torch.linalg.svdvals(ours)
    assert values.min() >= 1.0 / (1.0 + band) - ROUNDING
    assert values.max() <= 1.0 + band + ROUNDING
    assert (values.max() - values.min() > 0.9 * band) or band == 0.5


@pytest.mark.parametrize("shape", [(6, 3), (2, 4, 4)])
def test_bounding_changes_singular_values_only(shape: tuple[int, ...]) -> None:
    a = normal(*shape)
    U, S, Vh = torch.linalg.svd(a, full_matrices=False)
    expected = U @ torch.diag_embed(S.clamp(1.0 / 1.2, 1.2)) @ Vh
    torch.testing.assert_close(bounded(a, 0.2), expected, rtol=0, atol=ROUNDING)
    torch.testing.assert_close(bounded(a, 0.0), polar_factor(a), rtol=0, atol=ROUNDING)
    torch.testing.assert_close(bounded(frame(6, 3), 0.1), frame(6, 3), rtol=0, atol=ROUNDING)
