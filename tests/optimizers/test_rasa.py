"""RASA: the published formulas as they are written, and what they imply."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import Grassmann, Stiefel, polar
from rmobench.optimizers.riemannian.rasa import rasa, rasa_update
from rmobench.types import Manifold
from tests.optimizers.frames import bowl, frame, gradient, iterates, on, walk
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-12
OPTIONS = {"lr": 0.05, "beta": 0.9, "epsilon": 1e-8}


def plain(x: Tensor, n_steps: int, manifold: Manifold) -> list[Tensor]:
    """Return the iterates of RASA-LR with its matrices L and R in full; [n, p]."""
    n, p = x.shape
    l = torch.zeros(n, dtype=torch.float64)  # noqa: E741
    r = torch.zeros(p, dtype=torch.float64)
    l_hat, r_hat = l + 1e-8, r + 1e-8
    points = []
    for _ in range(n_steps):
        G = manifold.gradient(x, gradient(bowl, x))
        l = 0.9 * l + 0.1 * (G @ G.T).diagonal() / p  # noqa: E741
        r = 0.9 * r + 0.1 * (G.T @ G).diagonal() / n
        l_hat, r_hat = torch.maximum(l_hat, l), torch.maximum(r_hat, r)
        scaled = torch.diag(l_hat**-0.25) @ G @ torch.diag(r_hat**-0.25)
        x = manifold.retract(x, -0.05 * manifold.tangent(x, scaled))
        points.append(x)
    return points


@pytest.mark.parametrize("manifold", [Stiefel(), Stiefel(retraction=polar), Grassmann()], ids=lambda m: m.name)
def test_steps_are_those_of_the_publication(manifold: Manifold) -> None:
    x = frame(7, 3)
    ours = walk(lambda p: rasa(p, **OPTIONS), on(manifold, bowl, x), 30).reshape(30, 7, 3)
    torch.testing.assert_close(ours, torch.stack(plain(x, 30, manifold)), rtol=0, atol=ROUNDING)


def test_permuted_columns_have_permuted_iterates() -> None:
    """With a retraction that has no order of columns either."""
    x, order = frame(6, 3), torch.tensor([2, 0, 1])
    manifold = Stiefel(retraction=polar)
    plain = walk(rasa, on(manifold, bowl, x), 20).reshape(20, 6, 3)
    permuted = walk(rasa, on(manifold, lambda x: bowl(x[:, order.argsort()]), x[:, order]), 20).reshape(20, 6, 3)
    torch.testing.assert_close(permuted, plain[..., order], rtol=0, atol=ROUNDING)


def test_largest_statistics_never_fall_and_bound_the_means() -> None:
    x, state = frame(6, 3), {}
    before = {"row_largest": torch.tensor(1e-8), "column_largest": torch.tensor(1e-8)}
    for _ in range(30):
        x, state = rasa_update(Stiefel(), x, gradient(bowl, x), state, **OPTIONS)
        assert {name: tuple(t.shape) for name, t in state.items() if name in before} == {
            "row_largest": (6, 1),
            "column_largest": (1, 3),
        }
        for name, largest in before.items():
            assert (state[name] >= largest).all()
            assert (state[name] >= state[name.replace("largest", "mean")]).all()
            before[name] = state[name]


def test_a_gradient_scaled_from_the_start_takes_the_same_steps() -> None:
    """The powers -1/4 of rows and columns together cancel the scale, down to epsilon."""
    x = frame(6, 3)
    plain = iterates(rasa, bowl, x, 20)
    scaled = iterates(rasa, lambda x: 1e4 * bowl(x), x, 20)
    torch.testing.assert_close(scaled, plain, rtol=0, atol=1e-9)


def test_rows_without_gradient_stay_finite() -> None:
    """As dead pixels are: their statistic is epsilon, and zero times its power is zero."""
    x = torch.cat([frame(5, 2), torch.zeros(2, 2, dtype=torch.float64)])
    a = torch.cat([normal(5, 2), torch.zeros(2, 2, dtype=torch.float64)])
    y = iterates(rasa, lambda x: (a * x).sum(), x, 10)[-1]
    assert torch.equal(y[5:], x[5:])
    assert (y[:5] - x[:5]).norm() > 0.01
