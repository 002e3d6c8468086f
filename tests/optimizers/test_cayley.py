"""Cayley SGD and Adam: the published algorithms with W [n, n] in full, the exact transform, and the drift."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import Stiefel
from rmobench.optimizers.riemannian.cayley_adam import cayley_adam
from rmobench.optimizers.riemannian.cayley_sgd import cayley_sgd, cayley_step
from tests.optimizers.frames import bowl, error, frame, gradient, iterates
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-12
I = torch.eye(7, dtype=torch.float64)  # noqa: E741


def skew(x: Tensor, m: Tensor) -> Tensor:
    """Return W = What - What^T, What = m x^T - x x^T m x^T / 2."""
    half = m @ x.T - 0.5 * x @ (x.T @ m @ x.T)
    return half - half.T


def iterated(x: Tensor, W: Tensor, tangent: Tensor, lr: float, s: int) -> Tensor:
    """Return Y^s of Y^0 = X + a W X, Y^(i+1) = X + a / 2 W (X + Y^i)."""
    a = min(lr, 1.0 / (torch.linalg.matrix_norm(W).item() + 1e-8))
    y = x + a * tangent
    for _ in range(s):
        y = x + 0.5 * a * W @ (x + y)
    return y


def plain_sgd(x: Tensor, n_steps: int, *, lr: float, s: int) -> Tensor:
    """Return the iterates of algorithm 1."""
    m, points = torch.zeros_like(x), []
    for _ in range(n_steps):
        m = 0.8 * m - gradient(bowl, x)
        W = skew(x, m)
        m = W @ x
        x = iterated(x, W, m, lr, s)
        points.append(x)
    return torch.stack(points)


def plain_adam(x: Tensor, n_steps: int, *, lr: float, s: int) -> Tensor:
    """Return the iterates of algorithm 2."""
    m, v, points = torch.zeros_like(x), torch.zeros((), dtype=torch.float64), []
    for k in range(1, n_steps + 1):
        g = gradient(bowl, x)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g.square().sum()
        r = (1 - 0.9**k) * (v / (1 - 0.99**k) + 1e-8).sqrt()
        W = skew(x, m) / r
        m = r * W @ x
        x = iterated(x, -W, -W @ x, lr, s)
        points.append(x)
    return torch.stack(points)


@pytest.mark.parametrize("s", [1, 2, 5])
@pytest.mark.parametrize("lr", [0.01, 10.0])
def test_steps_are_those_of_the_publication(s: int, lr: float) -> None:
    """With short steps, and with steps that the bound on |W| cuts."""
    x = frame(7, 3)
    sgd = iterates(cayley_sgd, bowl, x, 10, lr=lr, momentum=0.8, n_iterations=s, restore=False)
    adam = iterates(cayley_adam, bowl, x, 10, lr=lr, n_iterations=s, restore=False)
    # W from [p, p] and [n, n] round differently, and each step passes it on
    torch.testing.assert_close(sgd, plain_sgd(x, 10, lr=lr, s=s), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(adam, plain_adam(x, 10, lr=lr, s=s), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_many_iterations_are_the_cayley_transform(scale: float) -> None:
    """(I + a W / 2)^-1 (I - a W / 2) x, orthonormal; and W x is the tangent part of m."""
    x, m = frame(7, 3), normal(7, 3, seed=1)
    y, tangent = cayley_step(x, m, scale, lr=0.05, n_iterations=40, restore=False)
    A = 0.5 * 0.05 * scale * skew(x, m)
    torch.testing.assert_close(y, torch.linalg.solve(I + A, (I - A) @ x), rtol=0, atol=ROUNDING)
    torch.testing.assert_close(tangent, Stiefel().tangent(x, m), rtol=0, atol=ROUNDING)
    assert error(y) < ROUNDING


@pytest.mark.parametrize(("s", "order", "sign"), [(1, 4, 1.0), (2, 4, -1.0), (3, 6, 1.0), (4, 6, -1.0), (5, 8, 1.0)])
def test_a_step_drifts_as_documented(s: int, order: int, sign: float) -> None:
    """By 4 |A|^(s + 2) or 4 |A|^(s + 3), the even power, of the skew A = lr W / 2."""
    x, m = frame(7, 3), normal(7, 3, seed=1)
    lr = 0.02
    A = 0.5 * lr * skew(x, m)
    y, _ = cayley_step(x, m, 1.0, lr=lr, n_iterations=s, restore=False)
    drift = y.mT @ y - torch.eye(3, dtype=torch.float64)
    expected = sign * 4.0 * x.mT @ torch.linalg.matrix_power(A, order) @ x
    torch.testing.assert_close(drift, expected, rtol=0, atol=0.1 * expected.abs().max().item())


def test_the_drift_adds_up_unless_the_point_is_restored() -> None:
    """Steps of a constant length and s = 2, the paper's: ten times as many steps, ten times the error."""
    noise = torch.Generator().manual_seed(0)
    f = lambda x: (x * torch.randn(x.shape, generator=noise, dtype=torch.float64)).sum()  # noqa: E731
    options = {"lr": 0.02, "momentum": 0.0, "n_iterations": 2}
    drift = error(iterates(cayley_sgd, f, frame(8, 3), 1000, restore=False, **options))
    assert drift[999] == pytest.approx(10.0 * drift[99].item(), rel=0.2)
    assert drift[999] > 1e-3
    noise.manual_seed(0)
    assert error(iterates(cayley_sgd, f, frame(8, 3), 1000, **options)).max() < 1e-8


def test_a_step_is_at_most_one_over_the_norm() -> None:
    """However large lr is, and to the same point."""
    x, m = frame(7, 3), normal(7, 3, seed=1)
    bound = 1.0 / (torch.linalg.matrix_norm(skew(x, m)).item() + 1e-8)
    there = [cayley_step(x, m, 1.0, lr=lr, n_iterations=5, restore=True)[0] for lr in (bound, 1e5)]
    torch.testing.assert_close(there[1], there[0], rtol=0, atol=ROUNDING)
    below, _ = cayley_step(x, m, 1.0, lr=0.5 * bound, n_iterations=5, restore=True)
    assert (below - there[0]).norm() > 0.1
