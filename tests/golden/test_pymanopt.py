"""Our Riemannian solvers against pymanopt's, and pymanopt's under our harness against itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

pytest.importorskip("pymanopt", reason="pymanopt is not installed (extra `peers`)")

import pymanopt
from pymanopt.optimizers import ConjugateGradient, TrustRegions

from rmobench.errors import ArgumentError, Stop
from rmobench.geometry import EUCLIDEAN, Grassmann, Spd, Sphere, Stiefel, polar, qr
from rmobench.optimizers.riemannian.pymanopt_cg import pymanopt_cg
from rmobench.optimizers.riemannian.pymanopt_problem import chart
from rmobench.optimizers.riemannian.pymanopt_rtr import pymanopt_rtr
from rmobench.optimizers.riemannian.rcg import rcg
from rmobench.optimizers.riemannian.rlbfgs import rlbfgs
from rmobench.optimizers.riemannian.rtr import rtr
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from rmobench.types import Manifold, Optimizer
from tests.optimizers.manifold_problems import CASES, brockett, problem, registration
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, vector
from tests.optimizers.plain_oracle import problem as free_problem

pytestmark = pytest.mark.golden

Build = Callable[..., Optimizer]

ROUNDING = 1e-12
"""Some thousand roundings of O(1) numbers in float64."""

adapters = pytest.mark.parametrize("build", [pymanopt_cg, pymanopt_rtr])

PLACES = [
    pytest.param(EUCLIDEAN, (), id="number"),
    pytest.param(EUCLIDEAN, (3, 2, 2, 2), id="kernel"),
    pytest.param(Sphere(), (6,), id="sphere"),
    pytest.param(Sphere(), (2, 3, 6), id="spheres"),
    pytest.param(Stiefel(retraction=qr), (6, 3), id="stiefel"),
    pytest.param(Stiefel(retraction=qr), (2, 2, 6, 3), id="stiefels"),
    pytest.param(Grassmann(retraction=polar), (6, 3), id="grassmann"),
    pytest.param(Grassmann(retraction=polar), (4, 6, 3), id="grassmanns"),
]


def principal_components(build: Build, seed: int, n_calls: int) -> tuple[float, Tensor]:
    """Return the loss and the projector onto the subspace that a solver ends at."""
    p = pca_digits(seed, torch.device("cpu"), torch.float64, rank=8)
    drive(build(p), PlainOracle(p, n_calls=n_calls))
    x = p.params["x"].detach()
    return p.judge(p.model)["objective"], x @ x.T


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("ours", [rcg, rlbfgs, rtr])
@pytest.mark.parametrize("theirs", [pymanopt_cg, lambda p: pymanopt_rtr(p, order=0.5)], ids=["cg", "rtr"])
def test_they_find_the_same_principal_components(ours: Build, theirs: Build, seed: int) -> None:
    """The subspace to the root of what is left of the loss, as the loss is flat at its minimum."""
    loss, projector = principal_components(ours, seed, n_calls=150)
    their_loss, their_projector = principal_components(theirs, seed, n_calls=250)
    assert loss == pytest.approx(their_loss, abs=1e-10)
    torch.testing.assert_close(projector, their_projector, rtol=0, atol=1e-5)


@adapters
@pytest.mark.parametrize("name", [name for name in CASES if name != "inverse"])  # theirs is not mapped
def test_closed_forms(build: Build, name: str) -> None:
    case = CASES[name]()
    span = case.loss() - case.best
    drive(build(case.problem), PlainOracle(case.problem, n_calls=300))
    assert abs(case.loss() - case.best) <= ROUNDING * span
    assert case.residual() <= 1e-14


@pytest.mark.parametrize(("manifold", "shape"), PLACES)
def test_geometry_agrees(manifold: Manifold, shape: tuple[int, ...]) -> None:
    """Gradient, retraction, transport, inner product and Hessian, through the adapter's own reshaping."""
    x = manifold.random(shape, torch.Generator().manual_seed(0))
    g, h = normal(*shape, seed=1), normal(*shape, seed=2)
    u, v = manifold.tangent(x, normal(*shape, seed=3)), manifold.tangent(x, normal(*shape, seed=4))
    c = chart("x", x, manifold)
    theirs, at = c.manifold, c.array(x)

    def assert_same(ours: Tensor, array: object) -> None:
        torch.testing.assert_close(ours, c.tensor(array, x), rtol=0, atol=ROUNDING)

    y = manifold.retract(x, v)
    assert_same(x, at)
    assert_same(manifold.gradient(x, g), theirs.euclidean_to_riemannian_gradient(at, c.array(g)))
    assert_same(y, theirs.retraction(at, c.array(v)))
    assert_same(manifold.transport(x, y, u), theirs.transport(at, c.array(y), c.array(u)))
    hessian = theirs.euclidean_to_riemannian_hessian(at, c.array(g), c.array(h), c.array(v))
    assert_same(manifold.hessian(x, g, h, v), hessian)
    inner = theirs.inner_product(at, c.array(u), c.array(v))
    assert manifold.inner(x, u, v).sum().item() == pytest.approx(float(inner), abs=ROUNDING)


def alone(solver: object) -> Tensor:
    """Run a solver of pymanopt's on Brockett's function without us, and return the flattened result."""
    p = brockett().problem
    manifold = pymanopt.manifolds.Product([pymanopt.manifolds.Stiefel(12, 3)])
    place, oracle = pymanopt.function.numpy(manifold), PlainOracle(p)

    def at(x: object) -> None:
        p.params["a"].data.copy_(torch.from_numpy(x))

    def cost(*x: object) -> float:
        at(*x)
        return oracle.loss().item()

    def gradient(*x: object) -> list[object]:
        at(*x)
        oracle()
        return [p.params["a"].grad.numpy().copy()]

    def product(*xv: object) -> list[object]:
        at(xv[0])
        return [oracle.hvp({"a": torch.from_numpy(xv[1])})["a"].numpy()]

    task = pymanopt.Problem(manifold, place(cost), euclidean_gradient=place(gradient), euclidean_hessian=place(product))
    start = [p.params["a"].detach().numpy().copy()]
    return torch.from_numpy(solver.run(task, initial_point=start).point[0]).reshape(-1)


@pytest.mark.parametrize("k", [1, 2, 3, 8, 20])
@pytest.mark.parametrize(
    ("build", "solver", "first"),
    [
        pytest.param(pymanopt_cg, ConjugateGradient, 1, id="cg"),
        pytest.param(pymanopt_rtr, TrustRegions, 0, id="rtr"),
    ],
)
def test_every_tick_is_an_iterate_of_theirs(build: Build, solver: type, first: int, k: int) -> None:
    """Bit for bit: the k-th tick is where pymanopt alone is after k iterations; its count starts at `first`."""
    oracle = PlainOracle(p := brockett().problem)
    drive(build(p), Impatient(oracle, k))
    expected = alone(solver(max_iterations=first + k, min_gradient_norm=0, min_step_size=0, verbosity=0))
    assert len(oracle.iterates) == k
    assert torch.equal(oracle.iterates[-1], expected)


class Impatient:
    """An oracle that stops after k ticks, as the harness does at the last target."""

    def __init__(self, oracle: PlainOracle, k: int) -> None:
        self.oracle, self.k = oracle, k
        self.loss, self.hvp = oracle.loss, oracle.hvp

    def __call__(self) -> Tensor:
        return self.oracle()

    def tick(self) -> None:
        self.oracle.tick()
        if len(self.oracle.iterates) == self.k:
            raise Stop("solved")


@adapters
@pytest.mark.parametrize("k", [1, 2, 5, 13])
def test_a_stop_passes_through_and_leaves_the_last_iterate(build: Build, k: int) -> None:
    oracle = PlainOracle(p := registration().problem, n_calls=k)
    oracle.iterates.append(vector(p))
    with pytest.raises(Stop, match="budget"):
        build(p).step(oracle)
    assert len(oracle.asked) == k
    torch.testing.assert_close(vector(p), oracle.iterates[-1], rtol=0, atol=0)


@adapters
def test_no_point_is_asked_about_twice(build: Build) -> None:
    """Value and gradient come from one call, and are remembered for the iterate and the last trial."""
    oracle = PlainOracle(p := brockett().problem, n_calls=60)
    drive(build(p), oracle)
    asked = [tuple(x.tolist()) for x in oracle.points]
    assert len(set(asked)) == len(asked)
    assert "loss" not in oracle.asked


@adapters
def test_the_solver_goes_on_beyond_its_own_criteria(build: Build) -> None:
    """A gradient of norm 1e-6 would end it, a step of 1e-10, or 1000 iterations."""
    case = registration()
    oracle = PlainOracle(case.problem, n_calls=1500)
    message = drive(build(case.problem), oracle)
    if build is pymanopt_cg:
        assert message == "the line search has failed, and every later one would start from a length of zero"
        assert torch.equal(oracle.iterates[-1], oracle.iterates[-2])
    else:
        assert message is None
    PlainOracle(case.problem)()
    for name, x in case.problem.params.items():
        manifold = case.problem.manifolds.get(name, EUCLIDEAN)
        assert manifold.gradient(x.detach(), x.grad).norm() < 2e-7


@adapters
@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (0.0, "the gradient is zero"),
        (float("nan"), "the gradient is not finite"),
        (1e200, "the gradient is not finite"),
    ],
)
def test_a_start_without_a_direction_ends_the_solver(build: Build, factor: float, message: str) -> None:
    p = free_problem(lambda x: factor * factor * x.square().sum(), normal(3))
    oracle = PlainOracle(p, n_calls=50)
    assert drive(build(p), oracle) == message
    assert oracle.asked == ["grad"]
    assert torch.equal(p.params["a"].detach(), normal(3))


@adapters
def test_an_exact_inner_solution_is_no_question_about_nan(build: Build) -> None:
    """Where the Hessian is the identity TrustRegions 2.2.1 divides zero by zero, and proposes NaN."""
    oracle = PlainOracle(p := free_problem(lambda x: 0.5 * x.square().sum(), normal(5)), n_calls=60)
    drive(build(p), oracle)
    assert torch.stack(oracle.points).isfinite().all()
    assert p.loss(p.model, None) < 1e-4


@adapters
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_oracle_sees_the_point_rounded(build: Build, dtype: torch.dtype) -> None:
    p = pca_digits(0, torch.device("cpu"), dtype, rank=4)
    oracle = PlainOracle(p, n_calls=60)
    drive(build(p), oracle)
    assert {x.dtype for x in oracle.points} == {dtype}
    assert p.judge(p.model)["gap"] < 0.05


@pytest.mark.parametrize(("build", "n_vectors"), [(pymanopt_cg, 3), (pymanopt_rtr, 2)])
def test_state_stands_for_what_they_keep(build: Build, n_vectors: int) -> None:
    (kept,) = build(registration().problem).state()
    assert kept.is_meta
    assert kept.dtype == torch.float64
    assert kept.shape == (n_vectors, 9 + 3 + 1)


@adapters
@pytest.mark.parametrize("manifold", [Spd(), Stiefel(metric="canonical")])
def test_a_manifold_without_counterpart_is_refused(build: Build, manifold: Manifold) -> None:
    p = problem(lambda x: x.sum(), torch.eye(3, dtype=torch.float64), manifolds={"a": manifold})
    with pytest.raises(ArgumentError, match=r"pymanopt: a lives on \w+\(.*\), expected Euclidean, Sphere"):
        build(p)
