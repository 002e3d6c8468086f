"""Classical optimizers: what every one of them does, and what the two adapters with a line search promise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.errors import Stop
from rmobench.optimizers.classical.lbfgs import lbfgs
from rmobench.registry import load, optimizers
from rmobench.types import Choice, Optimizer, OptimizerSpec, Problem, Range, Value
from tests.optimizers.plain_oracle import PlainOracle, drive, hessian, normal, problem, quadratic, rosenbrock

SPECS = [s for s in optimizers().values() if s.family == "classical"]
OWN_LOOP = ("bfgs", "cg", "newton_cg", "trust_ncg")
EXPECTED = {"adafactor", "adam", "adamw", "bfgs", "cg", "gradient_descent", "heavy_ball", "lbfgs", "muon", "nesterov"}
EXPECTED |= {"newton_cg", "rmsprop", "trust_ncg"}

every = pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
own_loop = pytest.mark.parametrize("spec", [s for s in SPECS if s.name in OWN_LOOP], ids=lambda s: s.name)


def bowl(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return a convex quadratic of a matrix [4, 3], a vector [5] and a number [], its terms of unequal curvature."""
    weight = torch.linspace(0.1, 1.0, 12).reshape(4, 3).to(a)
    return (weight * (a - 1.0) ** 2).sum() + (b - b.roll(1)).square().sum() + b.square().sum() + (c + a[0, 0]) ** 2


def start(dtype: torch.dtype = torch.float64) -> Problem:
    """Return the bowl from a random point."""
    values = normal(4, 3, seed=1, dtype=dtype), normal(5, seed=2, dtype=dtype), normal(seed=3, dtype=dtype)
    return problem(bowl, *values)


def build(spec: OptimizerSpec, p: Problem, **hyper: Value) -> Optimizer:
    return load(spec.location)(p, **hyper)


def loss(p: Problem) -> float:
    return p.loss(p.model, None).item()


def test_the_family_is_complete() -> None:
    assert {s.name for s in SPECS} >= EXPECTED


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_decreases_a_convex_quadratic_of_several_parameters(spec: OptimizerSpec, dtype: torch.dtype) -> None:
    p = start(dtype)
    before = loss(p)
    drive(build(spec, p), PlainOracle(p, n_calls=100))
    assert loss(p) < before
    assert {name: (tuple(x.shape), x.dtype) for name, x in p.params.items()} == {
        "a": ((4, 3), dtype),
        "b": ((5,), dtype),
        "c": ((), dtype),
    }


@every
def test_repeats_bit_for_bit(spec: OptimizerSpec) -> None:
    runs = []
    for _ in range(2):
        oracle = PlainOracle(p := start(), n_calls=60)
        message = drive(build(spec, p), oracle)
        runs.append((message, oracle.asked, torch.stack(oracle.iterates)))
    assert runs[0][:2] == runs[1][:2]
    assert torch.equal(runs[0][2], runs[1][2])


@every
@pytest.mark.parametrize("k", [1, 2, 3, 7, 11])
def test_stops_exactly_at_the_budget(spec: OptimizerSpec, k: int) -> None:
    """A Stop raised at call k + 1 leaves k calls, and passes through the solver."""
    oracle = PlainOracle(p := problem(rosenbrock, normal(6)), n_calls=k)
    optimizer = build(spec, p)
    with pytest.raises(Stop, match="budget"):
        for _ in range(k + 1):
            optimizer.step(oracle)
            oracle.tick()
    assert len(oracle.asked) == k


@every
def test_leaves_grad_as_the_oracle_filled_it(spec: OptimizerSpec) -> None:
    oracle = PlainOracle(p := start(), n_calls=20)
    drive(build(spec, p), oracle)
    assert oracle.gradients.keys() == p.params.keys()
    for name, x in p.params.items():
        assert torch.equal(x.grad, oracle.gradients[name])


@every
def test_state_is_what_is_kept_between_steps(spec: OptimizerSpec) -> None:
    p = start()
    optimizer = build(spec, p)
    drive(optimizer, PlainOracle(p, n_calls=12))
    kept = list(optimizer.state())
    assert all(isinstance(t, Tensor) for t in kept)
    assert (sum(t.numel() for t in kept) == 0) == (spec.name == "gradient_descent")
    assert any(t.is_meta for t in kept) == (spec.name in OWN_LOOP)


@every
def test_a_parameter_without_gradient_stays(spec: OptimizerSpec) -> None:
    """What the loss does not depend on is left where it is, by weight decay, too."""
    p = problem(lambda a, b: (a - 1.0).square().sum(), normal(3, 2), normal(4, seed=1))
    b = p.params["b"].detach().clone()
    before = loss(p)
    drive(build(spec, p), PlainOracle(p, n_calls=10))
    assert torch.equal(p.params["b"], b)
    assert loss(p) < before


def ends(space: Range) -> tuple[Value, ...]:
    return space.values if isinstance(space, Choice) else (space.low, space.high)


@pytest.mark.parametrize(
    ("spec", "name", "value"),
    [
        pytest.param(s, n, v, id=f"{s.name}-{n}-{v}")
        for s in SPECS
        for n, space in s.search.items()
        for v in ends(space)
    ],
)
def test_the_ends_of_every_search_range_can_be_built(spec: OptimizerSpec, name: str, value: Value) -> None:
    assert name in spec.defaults
    p = start()
    drive(build(spec, p, **{name: value}), PlainOracle(p, n_calls=5))
    assert all(x.isfinite().all() for x in p.params.values())


@every
def test_declares_what_to_search_and_what_it_needs(spec: OptimizerSpec) -> None:
    assert spec.search
    assert spec.handles == ()
    assert spec.upcasts == ("float64" if spec.name in OWN_LOOP else None)
    assert ("deterministic" in spec.needs) == (spec.name in (*OWN_LOOP, "lbfgs"))
    assert ("second_order" in spec.needs) == (spec.name in ("newton_cg", "trust_ncg"))
    assert ("matrix_parameters" in spec.needs) == (spec.name == "muon")


@pytest.mark.parametrize("spec", [s for s in SPECS if s.name in ("lbfgs", "bfgs", "cg", "newton_cg", "trust_ncg")])
@pytest.mark.parametrize("task", ["quadratic", "rosenbrock"])
def test_line_searches_reach_the_minimum(spec: OptimizerSpec, task: str) -> None:
    if task == "quadratic":
        p = quadratic(hessian(10), normal(10))
    else:
        p = problem(rosenbrock, torch.tensor([-1.2, 1.0], dtype=torch.float64))
    oracle = PlainOracle(p, n_calls=300)
    drive(build(spec, p), oracle)
    x = oracle.iterates[-1]
    p.params["a"].data.copy_(x)
    assert loss(p) < 1e-10


# --- L-BFGS ------------------------------------------------------------------------------------------------


def test_lbfgs_asks_about_once_per_iterate() -> None:
    """And never twice running about the same point: the end of a line search is the start of the next step."""
    p = quadratic(hessian(10), normal(10))
    oracle = PlainOracle(p)
    drive(lbfgs(p), oracle, n_steps=25)
    assert len(oracle.iterates) == 25
    assert len(oracle.asked) <= 1.2 * 25
    assert not any(torch.equal(a, b) for a, b in zip(oracle.points, oracle.points[1:], strict=False))


def test_lbfgs_at_a_zero_gradient_ends_by_itself() -> None:
    p = quadratic(hessian(4), torch.zeros(4, dtype=torch.float64))
    oracle = PlainOracle(p, n_calls=50)
    assert drive(lbfgs(p), oracle) == "no progress in two line searches running"
    assert len(oracle.asked) == 1
    assert len(oracle.iterates) == 1


def test_lbfgs_that_cannot_move_ends_by_itself() -> None:
    """In float32 the last digits are soon reached; the solver says so instead of spending the budget."""
    p = problem(lambda x: 1.0 + x.square().sum(), normal(5, dtype=torch.float32))
    oracle = PlainOracle(p, n_calls=2000)
    assert drive(lbfgs(p), oracle) == "no progress in two line searches running"
    assert len(oracle.asked) < 200


def test_lbfgs_with_a_nonfinite_loss_goes_on_to_the_budget() -> None:
    """Ending such a trial is the judge's part."""
    p = problem(lambda x: x.sum() * float("nan"), normal(3))
    oracle = PlainOracle(p, n_calls=40)
    assert drive(lbfgs(p), oracle) is None
    assert len(oracle.asked) == 40


@pytest.mark.parametrize("history_size", [3, 10])
def test_lbfgs_keeps_pairs_of_vectors(history_size: int) -> None:
    p = problem(rosenbrock, normal(30))
    optimizer = lbfgs(p, history_size=history_size)
    drive(optimizer, PlainOracle(p), n_steps=20)
    # 2 vectors per pair, the direction, the last gradient, and the last evaluation's point
    assert sum(t.numel() == 30 for t in optimizer.state()) == 2 * history_size + 3


# --- scipy's solvers ---------------------------------------------------------------------------------------


@own_loop
def test_the_oracle_sees_x_rounded_and_iterates_are_where_it_was_asked(spec: OptimizerSpec) -> None:
    p = problem(rosenbrock, normal(4, dtype=torch.float32))
    oracle = PlainOracle(p, n_calls=60)
    drive(build(spec, p), oracle)
    assert {x.dtype for x in oracle.points} == {torch.float32}
    assert oracle.iterates
    assert all(any(torch.equal(x, y) for y in oracle.points) for x in oracle.iterates)


@own_loop
def test_a_zero_gradient_ends_the_solver(spec: OptimizerSpec) -> None:
    p = quadratic(hessian(4), torch.zeros(4, dtype=torch.float64))
    oracle = PlainOracle(p, n_calls=100)
    assert isinstance(drive(build(spec, p), oracle), str)
    assert len(oracle.asked) < 10
    assert torch.equal(p.params["a"], torch.zeros(4, dtype=torch.float64))


@own_loop
def test_a_solver_that_ends_leaves_the_parameters_at_its_result(spec: OptimizerSpec) -> None:
    """And not where its last line search failed."""
    p = problem(lambda x: 1.0 + (x - 1.0).square().sum() + 0.1 * x.sin().sum(), normal(5))
    oracle = PlainOracle(p, n_calls=2000)
    assert isinstance(drive(build(spec, p), oracle), str)
    assert torch.equal(p.params["a"], oracle.iterates[-1])


@pytest.mark.parametrize(("name", "shapes"), [("bfgs", [(18, 18), (18,), (18,)]), ("cg", [(18,)] * 3)])
def test_state_stands_for_what_scipy_keeps(name: str, shapes: list[tuple[int, ...]]) -> None:
    kept = list(build(optimizers()[name], start()).state())
    assert [tuple(t.shape) for t in kept] == shapes
    assert {t.dtype for t in kept} == {torch.float64}


@own_loop
def test_going_on_beyond_the_rounding_does_not_end_in_nan(spec: OptimizerSpec) -> None:
    """A quadratic with its minimum at 0 lets the gradient fall until its square underflows."""
    oracle = PlainOracle(p := start(), n_calls=2000)
    drive(build(spec, p), oracle)
    assert torch.stack(oracle.iterates).isfinite().all()
    assert loss(p) < 1e-14  # where scipy's Newton-CG drops its directions; the others reach 1e-30


@own_loop
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_is_no_error(spec: OptimizerSpec, value: str) -> None:
    """The solver goes on or ends by itself, as scipy likes, and nothing is raised or warned about."""
    p = problem(lambda x: x.square().sum() * float(value), normal(3))
    message = drive(build(spec, p), PlainOracle(p, n_calls=200))
    assert message is None or message


@own_loop
def test_what_the_task_raises_is_not_swallowed(spec: OptimizerSpec) -> None:
    def broken(x: Tensor) -> Tensor:
        raise ValueError("the task is broken")

    p = problem(broken, normal(3))
    with pytest.raises(ValueError, match="the task is broken"):
        build(spec, p).step(PlainOracle(p))


@own_loop
def test_a_stop_raised_by_tick_ends_the_solver(spec: OptimizerSpec) -> None:
    """The harness stops in tick when the last target is hit: no call follows, and the parameters are the iterate."""

    class Satisfied(PlainOracle):
        def tick(self) -> None:
            PlainOracle.tick(self)
            if len(self.iterates) == 3:
                raise Stop("solved")

    oracle = Satisfied(p := problem(rosenbrock, normal(6)))
    with pytest.raises(Stop, match="solved"):
        build(spec, p).step(oracle)
    assert len(oracle.iterates) == 3
    assert torch.equal(p.params["a"], oracle.iterates[-1])
