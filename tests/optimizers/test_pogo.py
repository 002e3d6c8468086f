"""POGO: the published formulas in their own orientation, and how far from the manifold a step ends."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.optimizers.riemannian.landing import lifted, relative_gradient
from rmobench.optimizers.riemannian.pogo import pogo
from tests.optimizers.frames import bowl, error, frame, gradient, iterates

ROUNDING = 1e-12


def plain(X: Tensor, G: Tensor, lr: float) -> Tensor:
    """Return X+ for wide X [p, n]."""
    R = 0.5 * (X @ X.T @ G - X @ G.T @ X)
    A = X - lr * R
    return A + 0.5 * (A - A @ A.T @ A)


def test_steps_are_those_of_the_publication() -> None:
    x, points = frame(7, 3), []
    for _ in range(30):
        x = plain(x.T, gradient(bowl, x).T, 0.1).T
        points.append(x)
    torch.testing.assert_close(
        iterates(pogo, bowl, frame(7, 3), 30, lr=0.1), torch.stack(points), rtol=0, atol=ROUNDING
    )


def test_momentum_is_of_relative_gradients() -> None:
    """The second step's relative gradient has the projected first one in it."""
    x0 = frame(7, 3)
    x1, x2 = iterates(pogo, bowl, x0, 2, lr=0.05, momentum=0.8)
    first = relative_gradient(x0, gradient(bowl, x0), x0.mT @ x0)
    g = gradient(bowl, x1) + 0.8 * lifted(x1, first)
    torch.testing.assert_close(x2, plain(x1.T, g.T, 0.05).T, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("lr", [0.01, 0.03, 0.1])
def test_a_step_ends_as_near_as_documented(lr: float) -> None:
    """At some 3/4 lr^4 |r|^4 in the spectral norm, of next order in (lr |r|)^2."""
    x = frame(7, 3)
    r = relative_gradient(x, gradient(bowl, x), x.mT @ x)
    (y,) = iterates(pogo, bowl, x, 1, lr=lr)
    size = (lr * torch.linalg.matrix_norm(r, 2)) ** 2
    assert size < 0.5
    off = torch.linalg.matrix_norm(y.mT @ y - torch.eye(3, dtype=y.dtype), 2)
    assert 0.75 * size**2 * (1.0 - size) < off < 0.75 * size**2 * (1.0 + size)


def test_only_the_last_steps_error_remains() -> None:
    """A long step is forgotten after some short ones."""
    x = frame(7, 3)
    (far,) = iterates(pogo, lambda x: 2.0 * bowl(x), x, 1, lr=0.1)
    errors = error(iterates(pogo, bowl, far, 8, lr=1e-4))
    assert error(far) > 0.1
    assert errors[-1] < 1e-12
