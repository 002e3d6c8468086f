"""The oracle counts, holds the batch, and stops exactly at the budget."""

import itertools

import pytest
import torch
from torch import nn

from rmobench.errors import Stop
from rmobench.harness.clock import Clock
from rmobench.harness.judging import Judge
from rmobench.harness.oracle import CountingOracle
from rmobench.harness.trial import drive
from rmobench.types import Budget, Optimizer, Problem, Status, Target


class Point(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
        self.y = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))


def quartic(model, batch):
    return (model.x**4).sum() * model.y + batch * model.x.sum()


def build(n_calls=10, judge=None, every_step=True, target=None, time_s=60.0, every=1):
    model = Point()
    problem = Problem(
        model=model,
        loss=quartic,
        batches=itertools.count(0),
        judge=judge or (lambda m: {"objective": 1.0, "gap": 1.0, "residual": 0.0}),
    )
    how = {"target": target or Target(), "residual_max": 1e-8, "every_step": every_step, "every": every}
    seat = Judge(problem, evaluating=Optimizer(print).evaluating, **how)
    clock = Clock()
    oracle = CountingOracle(problem, budget=Budget(n_calls=n_calls, time_s=time_s), judge=seat, clock=clock)
    return oracle, problem, seat


def test_every_kind_of_call_is_counted():
    oracle, _, _ = build()
    oracle()
    oracle.loss()
    oracle.hvp({"x": torch.ones(3, dtype=torch.float64), "y": torch.zeros((), dtype=torch.float64)})
    point = oracle.point()
    assert (point.n_loss, point.n_grad, point.n_hvp, point.step) == (1, 1, 1, 0)


def test_the_hessian_vector_product_is_exact():
    oracle, problem, _ = build()
    x, y = problem.model.x.detach(), problem.model.y.detach()
    v, w = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)
    product = oracle.hvp({"x": v, "y": w})
    torch.testing.assert_close(product["x"], 12 * x**2 * y * v + 4 * x**3 * w)
    torch.testing.assert_close(product["y"], (4 * x**3 * v).sum())
    assert problem.model.x.grad is None


def test_gradients_are_fresh_at_every_call_and_kept_without_one():
    oracle, problem, _ = build()
    oracle()
    first = problem.model.x.grad.clone()
    oracle.loss()
    oracle()
    torch.testing.assert_close(problem.model.x.grad, first)


def test_the_batch_is_held_from_one_tick_to_the_next():
    oracle, _, _ = build()
    before = [oracle().item(), oracle.loss().item()]
    oracle.tick()
    assert before[0] == before[1] != oracle.loss().item()


@pytest.mark.parametrize("ask", ["__call__", "loss"])
def test_it_stops_exactly_at_the_budget(ask):
    oracle, _, _ = build(n_calls=3)
    for _ in range(3):
        getattr(oracle, ask)()
    with pytest.raises(Stop, match="budget"):
        getattr(oracle, ask)()
    assert oracle.n_loss + oracle.n_grad == 3


def test_an_optimizer_that_never_asks_breaks_the_interface():
    """Else it would reach the target at no cost."""
    oracle, _, _ = build(n_calls=7)
    ending = drive(Optimizer(lambda oracle: None), oracle)
    assert (ending.status, oracle.n_step) == (Status.failed, 1)
    assert "asked the oracle nothing" in ending.error


def test_a_step_that_asks_nothing_pays_for_a_loss():
    oracle, _, _ = build(n_calls=7)
    ending = drive(Optimizer(lambda oracle: oracle() if oracle.n_step == 0 else None), oracle)
    assert (ending.status, oracle.n_step) == (Status.budget, 7)
    assert (oracle.n_grad, oracle.n_loss) == (1, 6)


def test_the_last_iterate_is_judged_whatever_the_schedule():
    oracle, _, seat = build(n_calls=101, every_step=False)
    oracle.begin()
    drive(Optimizer(lambda oracle: oracle()), oracle)
    assert seat.last.step == oracle.n_step == 101


def test_where_judging_is_dear_so_many_steps_lie_between_two_judgements_at_least():
    """Every eighth step, until 5 % of the steps taken are more."""
    seen = []
    oracle, _, _ = build(n_calls=400, every_step=False, every=8, judge=lambda m: seen.append(oracle.n_step) or GOOD)
    oracle.begin()
    drive(Optimizer(lambda oracle: oracle()), oracle)
    assert seen[:22] == [*range(0, 161, 8), 168]
    assert seen[-3:] == [377, 396, 400]


GOOD = {"objective": 1.0, "gap": 1.0, "residual": 0.0}


def test_an_asynchronous_device_is_synchronised_at_the_edges_of_timed_segments_only():
    """Two edges a segment; between judged steps the clock runs on."""
    calls = []
    oracle, _, _ = build(n_calls=101, every_step=False)
    oracle._clock = Clock(lambda: calls.append(oracle.n_step))
    oracle.begin()
    drive(Optimizer(lambda oracle: oracle()), oracle)
    judged = [p for p in range(1, 102) if p in calls]
    assert calls[0] == 0, "before the first start"
    assert 30 < len(judged) < 101
    assert all(calls.count(step) == 2 for step in judged[:-1])


def test_stop_passes_through_code_that_swallows_exceptions():
    oracle, _, _ = build(n_calls=3)

    def step(oracle):
        for _ in range(10):
            try:
                oracle()
            except Exception:
                pytest.fail("an optimizer saw the end of its trial")

    assert drive(Optimizer(step), oracle).status == Status.budget


def test_a_solver_that_ends_by_itself_is_stopped_with_its_message():
    oracle, _, _ = build()

    def step(oracle):
        oracle()
        oracle.tick()
        return "converged, it believes"

    ending = drive(Optimizer(step), oracle)
    assert (ending.status, ending.error, oracle.n_step) == (Status.stopped, "converged, it believes", 1)


def test_time_beyond_the_budget_is_a_timeout():
    oracle, _, _ = build(time_s=-1.0)
    with pytest.raises(Stop, match="timeout"):
        oracle()


def test_the_judge_never_enters_the_timed_segment():
    """A judge that takes a thousand times longer than a step leaves the clock where it was."""
    oracle, _, seat = build(judge=slow_judge)
    oracle._clock.start()
    oracle()
    oracle.tick()
    oracle._clock.stop()
    assert seat.judge_s > oracle.point().time_s


def slow_judge(model):
    total = torch.zeros(())
    for _ in range(3000):
        total = total + 1.0
    return {"objective": total.item(), "gap": 1.0, "residual": 0.0}


def test_dear_tasks_are_judged_on_a_log_spaced_schedule():
    oracle, _, seat = build(n_calls=1000, every_step=False)
    judged = []
    inner = seat._problem.judge
    object.__setattr__(seat._problem, "judge", lambda m: judged.append(oracle.n_step) or inner(m))
    seat(oracle.point())
    drive(Optimizer(lambda oracle: oracle()), oracle)
    assert judged[:21] == list(range(21))
    assert len(judged) < 120
    assert all(b <= a * 1.05 + 1 for a, b in itertools.pairwise(judged))


def gap_of_step(values, residuals=None):
    points = zip(values, residuals or itertools.repeat(0.0), strict=False)
    return lambda model: dict(zip(("objective", "gap", "residual"), (1.0, *next(points)), strict=True))


def test_hits_are_the_first_points_at_each_rung():
    oracle, _, seat = build(judge=gap_of_step([1.0, 0.5, 0.05, 0.2, 5e-4, 1e-9]), n_calls=100)
    seat(oracle.point())
    ending = drive(Optimizer(lambda oracle: oracle()), oracle)
    assert ending.status == Status.solved
    assert [(h.rung, h.point.step) for h in seat.hits] == [
        (1e-1, 2),
        (1e-2, 4),
        (1e-3, 4),
        (1e-4, 5),
        (1e-6, 5),
        (1e-8, 5),
    ]


def test_a_point_off_the_constraint_is_no_hit():
    oracle, _, seat = build(judge=gap_of_step([1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1e-7, 1e-9]), n_calls=100)
    seat(oracle.point())
    drive(Optimizer(lambda oracle: oracle()), oracle)
    assert {h.point.step for h in seat.hits} == {3}


@pytest.mark.parametrize(
    ("gap", "status"), [(float("nan"), Status.nonfinite), (float("inf"), Status.nonfinite), (2e6, Status.diverged)]
)
def test_hopeless_trials_end_early(gap, status):
    oracle, _, seat = build(judge=gap_of_step([1.0, 1.0, gap]))
    seat(oracle.point())
    assert drive(Optimizer(lambda oracle: oracle()), oracle).status == status
    assert oracle.n_step == 2
