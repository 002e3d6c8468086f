"""Who reaches a gap of 1e-8 on the certified problems, over fixed grids; and that no step makes a matrix [m, n]."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from rmobench.models.low_rank_linear import LowRankLinear
from rmobench.types import Problem
from tests.optimizers.low_rank import LOWRANK, build, certified, oracle_of, steps_to
from tests.optimizers.plain_oracle import normal

GAP = 1e-8


def counts(optimizer: str, task: str, rates: tuple[float, ...], *, most: int, hyper: dict, **args) -> list[int | None]:
    """Steps to the gap for every step length, None where there are more than `most`."""
    found = []
    for lr in rates:
        problem = certified(task, **args)
        found.append(steps_to(problem, build(optimizer, problem, lr=lr, **hyper), gap=GAP, most=most))
    return found


@pytest.mark.parametrize(
    ("task", "rates", "momentum", "most"),
    [
        ("low_rank_approximation", (1.0,), 0.5, 30),
        ("reduced_rank_regression", (0.3,), 0.9, 180),
        ("matrix_sensing", (0.3,), 0.5, 40),
    ],
)
def test_the_heavy_ball_on_the_manifold_does_not_feel_the_condition_of_the_target(task, rates, momentum, most) -> None:
    """Published 26 and 26 steps (approximation), 170 and 170 (regression); measured 27 and 25, 167 and 167."""
    ten, hundred = (
        counts("lr_heavy_ball", task, rates, most=most, hyper={"momentum": momentum}, kappa=kappa)[0]
        for kappa in (10.0, 100.0)
    )
    assert ten is not None and hundred is not None
    assert abs(ten - hundred) <= 0.1 * ten


GRID = (0.003, 0.01, 0.03, 0.1, 0.3)


@pytest.mark.parametrize("task", ["low_rank_approximation", "reduced_rank_regression"])
def test_the_heavy_ball_on_the_factors_does(task: str) -> None:
    """At condition 100 it fails at every step length, in thrice the steps that the manifold takes at most."""
    assert counts("factor_heavy_ball", task, GRID, most=500, hyper={}, kappa=100.0) == [None] * 5


def test_the_heavy_ball_on_the_factors_reaches_an_easy_target() -> None:
    assert counts("factor_heavy_ball", "low_rank_approximation", (0.1,), most=250, hyper={}, kappa=10.0) != [None]


def test_completion_from_a_random_start_is_where_the_manifold_loses() -> None:
    """Factors reach the optimum; on the manifold no setting of the grid does. From the spectral start it does."""
    args = {"kappa": 10.0, "start": "random"}
    assert counts("factor_heavy_ball", "matrix_completion", (0.1,), most=300, hyper={}, **args) != [None]
    for momentum in (0.5, 0.9):
        hyper = {"momentum": momentum}
        lost = counts("lr_heavy_ball", "matrix_completion", (0.1, 0.3, 1.0), most=300, hyper=hyper, **args)
        assert lost == [None] * 3
    near = counts("lr_heavy_ball", "matrix_completion", (1.0,), most=60, hyper={"momentum": 0.5}, kappa=10.0)
    assert near != [None]


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that an operation has made, views of a known one left out."""

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.numel, self.known = 0, known.untyped_storage().data_ptr()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for t in tree_iter(out):
            if isinstance(t, Tensor) and t.untyped_storage().data_ptr() != self.known:
                self.numel = max(self.numel, t.numel())
        return out


MODES = {
    "dlrt": [{}, {"tau": 0.1, "n_iterations": 2}],
    "factor_adam": [{}, {"lr_ratio": 16.0}, {"factors": "three"}],
    "factor_heavy_ball": [{}, {"factors": "three"}],
    "factor_sgd": [{}, {"factors": "three"}],
    "geolora": [{}, {"period": 2}, {"tau": 0.1}],
    "lora_muon": [{}],
    "lora_rite": [{}, {"escape": False}],
    "lr_adam_core": [{}, {"n_iterations": 2}, {"carried": "squares"}, {"fresh": False}, {"theta": 0.1}],
    "lr_adam_tangent": [{}, {"theta": 0.1}],
    "lr_heavy_ball": [{}, {"momentum": 0.0}, {"theta": 0.1}],
    "scaled_adamw": [{}, {"order": "gauss_seidel"}],
    "scaled_gd": [{}, {"momentum": 0.9}],
    "stiefel_adamw": [{}],
}
"""Ways in which a method does other things."""

EVERY = [(name, how) for name, ways in MODES.items() for how in ways]


def test_every_method_is_watched() -> None:
    assert sorted(MODES) == LOWRANK


@pytest.mark.parametrize(("name", "how"), EVERY, ids=[f"{name} {how}" for name, how in EVERY])
def test_no_step_makes_a_matrix_of_the_layers_size(name: str, how: dict) -> None:
    """Forward, backward and step together: nothing above [n, 4 r]. What it keeps: tests/harness/test_accounting.py."""
    m, n, r, n_rows = 300, 400, 3, 8
    base = torch.nn.Linear(n, m, dtype=torch.float64)
    model = LowRankLinear(normal(m, r), normal(r, r, seed=1), normal(n, r, seed=2), base=base)
    x = normal(n_rows, n, seed=3)
    problem = Problem(
        model=model,
        loss=lambda model, batch: torch.tanh(model(batch)).square().mean(),
        batches=itertools.repeat(x),
        judge=lambda model: {},
    )
    optimizer, oracle = build(name, problem, **how), oracle_of(problem)
    with Largest(base.weight) as seen:
        for _ in range(3):
            optimizer.step(oracle)
    assert seen.numel <= 4 * r * n < m * n / 10


def test_the_watch_sees_a_dense_gradient() -> None:
    """The control: the full matrix under its own gradient."""
    base = torch.nn.Linear(400, 300, dtype=torch.float64)
    with Largest(base.weight) as seen:
        torch.tanh(base(normal(8, 400))).square().mean().backward()
    assert seen.numel == 300 * 400
