"""Riemannian CG, L-BFGS and trust region: closed forms on every manifold, and what all three promise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rmobench.errors import Stop
from rmobench.geometry import RETRACTIONS, FixedRank, Grassmann, Sphere, Stiefel
from rmobench.optimizers.riemannian.rcg import rcg
from rmobench.optimizers.riemannian.rlbfgs import rlbfgs
from rmobench.optimizers.riemannian.rtr import rtr
from rmobench.registry import choose_tasks, load, optimizers
from rmobench.tasks.orthogonal.brockett import brockett as brockett_task
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from rmobench.types import RESIDUAL_MAX, Optimizer, Problem
from tests.optimizers.manifold_problems import (
    CASES,
    Case,
    brockett,
    point,
    problem,
    registration,
    subspace,
)
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, quadratic, rosenbrock, vector
from tests.optimizers.plain_oracle import problem as free_problem

Build = Callable[..., Optimizer]
SOLVERS: list[Build] = [rcg, rlbfgs, rtr]

GAP = 1e-12
"""Relative gap to reach in float64: some thousand roundings of the loss."""

FLOORS = {"fp32": 1e-11, "bf16": 1e-3, "fp16": 1e-5}
"""Gaps to reach in narrow storage, below the rounding of the loss: the square of the point's."""

every = pytest.mark.parametrize("build", SOLVERS)


def gap(case: Case, build: Build, n_calls: int) -> float:
    """Run a solver until the relative gap is small or the calls are spent, and return it."""
    span = case.loss() - case.best

    class Satisfied(PlainOracle):
        def tick(self) -> None:
            if case.loss() - case.best <= 0.9 * GAP * span:
                raise Stop("solved")

    drive(build(case.problem), Satisfied(case.problem, n_calls=n_calls))
    return (case.loss() - case.best) / span


@every
@pytest.mark.parametrize("name", CASES)
def test_closed_forms(build: Build, name: str) -> None:
    case = CASES[name]()
    assert abs(gap(case, build, n_calls=250)) <= GAP
    assert case.residual() <= 1e-14


@every
@pytest.mark.parametrize("seed", [0, 3])
def test_principal_components(build: Build, seed: int) -> None:
    p = pca_digits(seed, torch.device("cpu"), torch.float64, rank=8)
    drive(build(p), PlainOracle(p, n_calls=130))
    assert abs(p.judge(p.model)["gap"]) <= GAP
    assert p.judge(p.model)["residual"] <= 1e-14


class Arriving(PlainOracle):
    """Stops at the gap."""

    def tick(self) -> None:
        if self.problem.judge(self.problem.model)["gap"] <= GAP:
            raise Stop("solved")


CLOSED = ["pca[data=digits,rank=8]", "pca[data=digits,rank=4,manifold=grassmann]", "procrustes"]


@every
@pytest.mark.parametrize("task", CLOSED)
def test_registered_tasks_with_closed_forms(build: Build, task: str) -> None:
    (chosen,) = choose_tasks(task)
    p = load(chosen.spec.location)(0, torch.device("cpu"), torch.float64, **chosen.args)
    drive(build(p), Arriving(p, n_calls=200))
    assert abs(p.judge(p.model)["gap"]) <= GAP


@pytest.mark.parametrize(("build", "n_calls"), [(rcg, 2000), (rlbfgs, 900), (rtr, 1000)])
def test_the_registered_brockett_cost(build: Build, n_calls: int) -> None:
    p = brockett_task(0, torch.device("cpu"), torch.float64)
    drive(build(p), Arriving(p, n_calls=n_calls))
    assert abs(p.judge(p.model)["gap"]) <= GAP


@every
@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
@pytest.mark.parametrize("metric", ["embedded", "canonical"])
def test_any_retraction_and_metric_of_stiefel(build: Build, retraction: object, metric: str) -> None:
    assert abs(gap(brockett(Stiefel(retraction=retraction, metric=metric)), build, n_calls=250)) <= GAP


@every
@pytest.mark.parametrize("retraction", RETRACTIONS.values(), ids=RETRACTIONS)
def test_any_retraction_of_grassmann(build: Build, retraction: object) -> None:
    assert abs(gap(subspace(Grassmann(retraction=retraction)), build, n_calls=250)) <= GAP


@every
def test_a_matrix_of_fixed_rank(build: Build) -> None:
    """Nearest matrix of rank 2: the squares of the other singular values are left."""
    b = normal(6, 2, seed=1) @ normal(2, 5, seed=2) + 0.1 * normal(6, 5, seed=3)
    manifold = FixedRank(rank=2)
    start = problem(lambda x: (x - b).square().sum(), point(manifold, 6, 5), manifolds={"a": manifold})
    case = Case(start, torch.linalg.svdvals(b)[2:].square().sum().item())
    assert abs(gap(case, build, n_calls=250)) <= GAP


@every
def test_rosenbrock_without_a_manifold(build: Build) -> None:
    case = Case(free_problem(rosenbrock, torch.tensor([-1.2, 1.0], dtype=torch.float64)), 0.0)
    assert gap(case, build, n_calls=300) <= GAP


@every
@pytest.mark.parametrize(
    ("dtype", "precision"), [(torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")]
)
def test_narrow_storage(build: Build, dtype: torch.dtype, precision: str) -> None:
    """It goes down as far as the storage can tell, and stays on the manifold."""
    p = pca_digits(0, torch.device("cpu"), dtype, rank=4)
    drive(build(p), PlainOracle(p, n_calls=200))
    after = p.judge(p.model)
    assert p.params["x"].dtype == dtype
    assert after["gap"] < FLOORS[precision]
    assert after["residual"] <= RESIDUAL_MAX[precision]


@every
def test_the_loss_never_rises_beyond_rounding(build: Build) -> None:
    case = registration()
    oracle, losses = PlainOracle(case.problem, n_calls=200), [case.loss()]
    optimizer = build(case.problem)
    while len(oracle.asked) < 150 and not isinstance(optimizer.step(oracle), str):
        losses.append(case.loss())
    assert all(b <= a * (1.0 + 1e-13) for a, b in itertools.pairwise(losses))


@every
@pytest.mark.parametrize("k", range(1, 12))
def test_a_stop_leaves_the_parameters_at_the_last_iterate(build: Build, k: int) -> None:
    """And not where a line search or a trial step was."""
    p = registration().problem
    oracle = PlainOracle(p, n_calls=k)
    oracle.iterates.append(vector(p))
    optimizer = build(p)
    with pytest.raises(Stop, match="budget"):
        while True:
            optimizer.step(oracle)
            oracle.tick()
    assert len(oracle.asked) == k
    assert torch.equal(vector(p), oracle.iterates[-1])


@every
def test_the_iterate_is_not_asked_about_again(build: Build) -> None:
    """Value and gradient come from one call per point; Hessian-vector products are the trust region's alone."""
    oracle = PlainOracle(p := brockett().problem)
    drive(build(p), oracle, n_steps=12)
    assert set(oracle.asked) == ({"grad", "hvp"} if build is rtr else {"grad"})
    asked = [tuple(x.tolist()) for x in oracle.points]
    assert len(set(asked)) == len(asked)
    assert len(asked) <= 2 * 12 + 1


@every
@pytest.mark.parametrize("manifold", [None, Sphere(), Stiefel()], ids=["free", "sphere", "stiefel"])
def test_a_zero_gradient_ends_the_method(build: Build, manifold: object) -> None:
    x = torch.eye(4, 2, dtype=torch.float64)
    p = problem(lambda x: x.detach().sum() + 0.0 * x.sum(), x, manifolds={"a": manifold} if manifold else {})
    oracle = PlainOracle(p, n_calls=50)
    assert isinstance(drive(build(p), oracle), str)
    assert len(oracle.asked) == 1
    assert torch.equal(p.params["a"], x)


@every
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_method(build: Build, value: float) -> None:
    p = free_problem(lambda x: x.square().sum() * value, normal(3))
    assert isinstance(drive(build(p), PlainOracle(p, n_calls=200)), str)


@every
def test_a_loss_that_is_not_finite_elsewhere_is_avoided(build: Build) -> None:
    """The first step would leave the domain."""
    p = free_problem(lambda x: (x - x.log()).sum(), torch.full((3,), 0.1, dtype=torch.float64))
    drive(build(p), PlainOracle(p, n_calls=100))
    torch.testing.assert_close(p.params["a"].detach(), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-7)


@every
def test_going_on_beyond_the_rounding_stays_finite(build: Build) -> None:
    """A quadratic with its minimum at 0 lets the gradient fall until its square underflows."""
    p = quadratic(torch.diag(torch.tensor([1.0, 0.3, 0.1], dtype=torch.float64)), normal(3))
    oracle = PlainOracle(p, n_calls=2000)
    drive(build(p), oracle)
    assert torch.stack(oracle.iterates).isfinite().all()
    assert p.loss(p.model, None) < 1e-100


@every
def test_a_parameter_without_a_gradient_stays(build: Build) -> None:
    p = problem(lambda a, b: (a - 1.0).square().sum(), normal(3, 2), normal(4, seed=1), manifolds={})
    b = p.params["b"].detach().clone()
    drive(build(p), PlainOracle(p, n_calls=20))
    assert torch.equal(p.params["b"], b)
    torch.testing.assert_close(p.params["a"].detach(), torch.ones(3, 2, dtype=torch.float64), rtol=0, atol=1e-7)


@every
def test_parameters_are_looked_up_afresh(build: Build) -> None:
    """A model that replaces a parameter by another of the same name keeps being optimised."""
    case = registration()
    optimizer, oracle = build(case.problem), PlainOracle(case.problem, n_calls=250)
    optimizer.step(oracle)
    case.problem.model.b = nn.Parameter(case.problem.params["b"].detach().clone())
    drive(optimizer, oracle)
    assert abs(case.loss() - case.best) <= 1e-10


def kept(build: Build, p: Problem, n_steps: int) -> list[Tensor]:
    optimizer = build(p)
    drive(optimizer, PlainOracle(p), n_steps=n_steps)
    return list(optimizer.state())


@pytest.mark.parametrize(
    ("build", "n_vectors"),
    [(rcg, 3), (rtr, 3), (rlbfgs, 2 + 2 * 10), (lambda p: rlbfgs(p, history_size=3), 2 + 2 * 3)],
    ids=["rcg", "rtr", "rlbfgs", "rlbfgs[history_size=3]"],
)
def test_the_state_is_a_few_vectors(build: Build, n_vectors: int) -> None:
    """Point, gradient, and direction, Euclidean gradient or pairs."""
    p = brockett().problem
    state = kept(build, p, n_steps=15)
    assert [tuple(t.shape) for t in state] == [(12, 3)] * n_vectors
    assert torch.equal(state[0], p.params["a"].detach())


@pytest.mark.parametrize("build", [rcg, rlbfgs])
def test_what_is_kept_is_tangent_at_the_point(build: Build) -> None:
    x, *vectors = kept(build, brockett().problem, n_steps=15)
    for v in vectors:
        torch.testing.assert_close(v, Stiefel().tangent(x, v), rtol=0, atol=1e-14)


def test_what_they_declare() -> None:
    for name in ("rcg", "rlbfgs", "rtr"):
        spec = optimizers()[name]
        assert spec.handles == ("fixedrank", "grassmann", "spd", "sphere", "stiefel")
        assert ("second_order" in spec.needs) == (name == "rtr")
        assert "deterministic" in spec.needs
