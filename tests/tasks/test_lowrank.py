"""The certified problems of one matrix of low rank: their minima, their starts, their conditions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import FixedRank
from rmobench.optimizers.lowrank.layerwise import into_two
from rmobench.registry import load, tasks
from rmobench.tasks.lowrank.certified import Dense
from rmobench.tasks.lowrank.reduced_rank_regression import best
from tests.optimizers.low_rank import F64, best_rank, certified
from tests.optimizers.plain_oracle import normal

ROUNDING = 1e-12
NAMES = ["low_rank_approximation", "reduced_rank_regression", "matrix_sensing", "matrix_completion", "lora_start"]


def minimiser(name: str, **args) -> tuple[Tensor, Tensor]:
    """The best W by its closed form, and the dense gradient there."""
    problem = certified(name, **args)
    batch = next(problem.batches)
    match name:
        case "low_rank_approximation":
            W = best_rank(batch[1].mT, 5)
        case "reduced_rank_regression":
            W = best(*batch, 5)
        case "matrix_completion":
            W = batch[2].mT
        case "matrix_sensing":
            b, a, y = batch
            rows = (a.unsqueeze(-1) * b.unsqueeze(-2)).flatten(1)
            W = torch.linalg.lstsq(rows, y.unsqueeze(-1)).solution.reshape(a.shape[1], b.shape[1])
        case _:
            V = torch.linalg.qr(normal(60, 5))[0]
            W = V @ V.mT
    W = W.clone().requires_grad_()
    (G,) = torch.autograd.grad(problem.loss(Dense(W), batch), W)
    return W.detach(), G


def held(W: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    U, d, Vh = torch.linalg.svd(W)
    return U[:, :rank], torch.diag(d[:rank]), Vh[:rank].mT


@pytest.mark.parametrize("kappa", [10.0, 100.0])
@pytest.mark.parametrize(
    ("name", "args"), [(n, {"dim": 20, "oversampling": 3.0} if n == "matrix_sensing" else {}) for n in NAMES]
)
def test_the_best_point_has_gap_zero_and_is_stationary_and_neighbours_are_worse(name, args, kappa: float) -> None:
    problem, (W, G) = certified(name, kappa=kappa, **args), minimiser(name, kappa=kappa, **args)
    start = problem.model.matrix(F64)
    problem.model.put(*held(W, 5))
    assert abs(problem.judge(problem.model)["gap"]) < 1e-12
    manifold = FixedRank(5)
    assert manifold.tangent(W, G).norm() < 1e-9
    for seed in range(3):
        v = manifold.tangent(W, normal(*W.shape, seed=seed))
        problem.model.put(*held(manifold.retract(W, 1e-3 * v / v.norm()), 5))
        assert problem.judge(problem.model)["gap"] > -1e-13
    problem.model.put(*held(start, 5))
    assert problem.judge(problem.model)["gap"] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", ["reduced_rank_regression", "matrix_sensing", "matrix_completion"])
def test_random_starts_have_their_size_and_spectral_ones_are_near(name: str) -> None:
    far, near = certified(name, start="random", size=3.0), certified(name, start="spectral")
    assert near.judge(near.model)["objective"] < 0.3 * far.judge(far.model)["objective"]
    larger = certified(name, start="random", size=6.0)
    torch.testing.assert_close(larger.model.matrix(F64), 2.0 * far.model.matrix(F64), rtol=1e-9, atol=ROUNDING)


def test_targets_have_their_condition() -> None:
    for kappa in (10.0, 100.0):
        W, _ = minimiser("matrix_completion", kappa=kappa)
        d = torch.linalg.svdvals(W)
        assert d[0].item() == pytest.approx(1.0)
        assert d[4].item() == pytest.approx(1.0 / kappa)
        assert d[5].item() < 1e-12


def test_the_regressors_have_their_condition() -> None:
    X, _ = next(certified("reduced_rank_regression", cond=50.0).batches)
    values = torch.linalg.svdvals(X).square()
    assert (values[0] / values[-1]).item() == pytest.approx(50.0)


def test_loras_start_has_no_b_and_an_a_of_the_condition() -> None:
    model = certified("lora_start", kappa=20.0).model
    into_two(model)
    d = torch.linalg.svdvals(model.V.detach())
    assert not model.U.any()
    assert (d[0] / d[-1]).item() == pytest.approx(20.0)


def test_judging_sees_the_matrix_and_not_its_factors() -> None:
    one, two = certified("low_rank_approximation"), certified("low_rank_approximation")
    into_two(two.model)
    ours, theirs = one.judge(one.model), two.judge(two.model)
    assert ours["gap"] == pytest.approx(theirs["gap"], abs=ROUNDING)
    assert ours["rank"] == theirs["rank"] == 5.0
    assert ours["residual"] == theirs["residual"] == 0.0


REFUSED = [
    *((name, {"rank": 0}, rf"{name}: got rank=0 at 60 x 60, expected 1 to min") for name in NAMES),
    *((name, {"kappa": 0.5}, rf"{name}: got kappa=0\.5, expected a finite number of at least 1") for name in NAMES),
    *((name, {"start": "best"}, rf"{name}: got start='best', expected 'random' or 'spectral'") for name in NAMES[1:4]),
    *((name, {"size": 0.0}, rf"{name}: got size=0\.0, expected a finite number above 0") for name in NAMES[:4]),
    ("low_rank_approximation", {"tail": 1.0}, r"low_rank_approximation: got tail=1\.0, expected a number in \[0, 1\)"),
    ("reduced_rank_regression", {"cond": 0.1}, r"reduced_rank_regression: got cond=0\.1"),
    ("matrix_sensing", {"oversampling": 0.5}, r"matrix_sensing: got oversampling=0\.5, expected 1 to 100"),
    ("matrix_completion", {"known": 0.0}, r"matrix_completion: got known=0\.0, expected a number in \(0, 1\]"),
    ("lora_start", {"alpha": 0.0}, r"lora_start: got alpha=0\.0, rank=5, expected alpha > 0 and rank < 60"),
]


@pytest.mark.parametrize(("name", "args", "message"), REFUSED)
def test_problems_that_do_not_exist_are_refused(name: str, args: dict, message: str) -> None:
    spec = tasks()[name]
    with pytest.raises(ArgumentError, match=message):
        load(spec.location)(0, torch.device("cpu"), F64, **{**spec.args, **args})


@pytest.mark.parametrize("columns", [1, 3, 5, 8])
def test_what_a_wrong_rank_costs_is_the_closed_form(columns: int) -> None:
    """The planted matrix has rank 5; with fewer columns the best W is that of reduced-rank regression."""
    problem = certified("planted_rank", dim=20, columns=columns)
    (X, Y), model = next(problem.batches), problem.model
    start = problem.judge(model)
    height = 0.5 * (X @ model.matrix(F64).mT - Y).square().sum().item()
    assert start["gap"] == pytest.approx(1.0) and start["objective"] == pytest.approx(height)
    values, Q = torch.linalg.eigh(X.mT @ X)
    W0 = torch.linalg.lstsq(X, Y).solution.mT
    beyond = torch.linalg.svdvals(W0 @ (Q * values.sqrt()) @ Q.mT)[columns:]
    model.put(*held(best(X, Y, columns), columns))
    expected = 0.5 * beyond.square().sum().item()
    assert problem.judge(model)["objective"] == pytest.approx(expected, rel=1e-12, abs=1e-20)  # rounding
    assert (expected > 1e-6) == (columns < 5)
    assert torch.linalg.matrix_rank(W0, rtol=1e-9) == 5


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"columns": 61}, "planted_rank: got rank=61"),
        ({"rank": 0}, "planted_rank: got rank=0"),
        ({"cond": 0.5}, "planted_rank: got cond=0.5, expected a finite number of at least 1"),
    ],
)
def test_a_planted_rank_that_does_not_exist_is_refused(args: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        certified("planted_rank", **args)
