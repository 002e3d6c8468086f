"""What every registered optimizer keeps to."""

import itertools

import pytest
import torch
from torch import nn

from rmobench.errors import Stop
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.registry import load, optimizers, tasks, unavailable
from rmobench.types import Budget, Problem, Record, Status
from tests.contract.fitting import OPTIMIZERS, chosen, pairs, task_for

N_CALLS = 12
HONEST = {Status.solved, Status.budget, Status.stopped, Status.diverged, Status.nonfinite, Status.infeasible}


PAIRS = pairs()


@pytest.fixture(params=PAIRS, ids=[f"{optimizer} on {task}" for optimizer, task in PAIRS])
def pair(request):
    """An optimizer and a task that it fits."""
    optimizer, task = request.param
    if task is None:
        pytest.skip(f"{optimizer}: {unavailable(optimizers()[optimizer])}")
    return optimizer, task


@pytest.fixture(params=OPTIMIZERS)
def optimizer(request):
    if task_for(request.param) is None:
        pytest.skip(f"{request.param}: {unavailable(optimizers()[request.param])}")
    return request.param


def planned(pair, precision="fp64", n_calls=N_CALLS):
    optimizer, task = pair
    (only,) = plan(*chosen(task, optimizer), seeds=[0], precisions=[precision], n_calls=n_calls).trials
    return only


def build(pair):
    optimizer, on = pair
    task = tasks()[on]
    problem = load(task.location)(0, torch.device("cpu"), torch.float64, **task.args)
    spec = optimizers()[optimizer]
    return problem, load(spec.location)(problem, **spec.defaults)


class WatchfulOracle:
    """Remembers the gradients as it left them, and stops after some calls."""

    def __init__(self, problem, n_calls=N_CALLS):
        self.problem, self.left, self.n_ticks, self.gradients = problem, n_calls, 0, {}

    def _loss(self):
        self.left -= 1
        if self.left < 0:
            raise Stop(Status.budget)
        return self.problem.loss(self.problem.model, next(self.problem.batches))

    def __call__(self):
        with torch.enable_grad():
            self.problem.model.zero_grad()
            loss = self._loss()
            loss.backward()
        self.gradients = {name: p.grad.clone() for name, p in self.problem.params.items()}
        return loss.detach()

    def loss(self):
        with torch.no_grad():
            return self._loss()

    def hvp(self, v):
        with torch.enable_grad():
            params = self.problem.params
            gradients = torch.autograd.grad(self._loss(), list(params.values()), create_graph=True)
            slope = sum((g * v[name]).sum() for name, g in zip(params, gradients, strict=True))
            return dict(zip(params, torch.autograd.grad(slope, list(params.values())), strict=True))

    def tick(self):
        self.n_ticks += 1
        for name, p in self.problem.params.items():
            assert torch.equal(p.grad, self.gradients[name]), f"the gradient of {name} was changed"

    def drive(self, optimizer):
        try:
            while True:
                if isinstance(optimizer.step(self), str):
                    return
                self.tick()
        except Stop:
            return


def test_it_runs_within_its_budget_and_says_what_it_keeps(pair):
    record = run_trial(planned(pair))
    assert isinstance(record, Record)
    assert record.status in HONEST, record.error
    spent = record.spent
    assert 1 <= spent.n_loss + spent.n_grad + spent.n_hvp <= N_CALLS
    assert spent.step >= 1
    assert record.state_bytes >= 0
    assert record.peak_bytes > 0


def test_equal_trials_give_bit_equal_traces(pair):
    first, second = run_trial(planned(pair)), run_trial(planned(pair))
    assert first.trace_sha256 == second.trace_sha256
    assert [p.metrics for p in first.trace] == [p.metrics for p in second.trace]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16", "bf16-amp"])
def test_every_precision_ends_in_an_honest_status(pair, precision):
    """Low precision may lack a kernel or overflow; it never is a programming error."""
    record = run_trial(planned(pair, precision))
    assert record.status in HONEST | {Status.unsupported_dtype}, record.error


def test_gradients_stay_as_the_oracle_filled_them(pair):
    problem, built = build(pair)
    oracle = WatchfulOracle(problem)
    oracle.drive(built)
    assert oracle.n_ticks >= 1


def test_the_global_random_stream_is_left_alone(pair):
    before = torch.get_rng_state()
    problem, built = build(pair)
    WatchfulOracle(problem).drive(built)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_state_is_tensors_and_close_removes_hooks(pair):
    problem, built = build(pair)
    WatchfulOracle(problem).drive(built)
    assert all(isinstance(t, torch.Tensor) for t in built.state())
    built.close()
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in problem.model.modules())


def test_judging_leaves_the_model_where_it_was(pair):
    problem, built = build(pair)
    WatchfulOracle(problem).drive(built)
    before = {name: p.detach().clone() for name, p in problem.params.items()}
    with built.evaluating(), torch.no_grad():
        problem.judge(problem.model)
    assert all(torch.equal(before[name], p) for name, p in problem.params.items())


class Shapes(nn.Module):
    """A scalar, a vector, a wide and a tall matrix, and a convolution kernel."""

    SHAPES = ((), (3,), (2, 5), (5, 2), (2, 3, 2, 2))

    def __init__(self, dtype):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        for i, shape in enumerate(self.SHAPES):
            start = torch.randn(shape, generator=generator, dtype=torch.float64)
            self.register_parameter(f"p{i}", nn.Parameter(start.to(dtype)))


def half_square(model, batch):
    return 0.5 * sum((p**2).sum() for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_any_shape_of_parameter_goes_downhill(optimizer, dtype):
    spec = optimizers()[optimizer]
    model = Shapes(dtype)
    problem = Problem(model=model, loss=half_square, batches=itertools.repeat(None), judge=lambda m: {})
    oracle = WatchfulOracle(problem, n_calls=40)
    before = half_square(model, None).item()
    oracle.drive(load(spec.location)(problem, **spec.defaults))
    assert half_square(model, None).item() < before
    assert all(p.dtype == dtype for p in model.parameters())


def test_every_search_range_holds_its_default(optimizer):
    spec = optimizers()[optimizer]
    assert set(spec.search) <= set(spec.defaults)
    for name, where in spec.search.items():
        default, values = spec.defaults[name], getattr(where, "values", None)
        assert default in values if values is not None else where.low <= default <= where.high, name


def test_the_oracles_budget_is_no_step_more(pair):
    """Whatever the budget, the counts never pass it."""
    for n_calls in (1, 2, 5):
        only = planned(pair, n_calls=n_calls)
        assert only.trial.budget == Budget(n_calls=n_calls, time_s=only.task.budget.time_s)
        spent = run_trial(only).spent
        assert spent.n_loss + spent.n_grad + spent.n_hvp <= n_calls
