"""What every registered task keeps to; `-m smoke` takes each through the whole path to a leaderboard row."""

from functools import partial

import pytest
import torch

from rmobench.harness.plan import plan
from rmobench.harness.precision import DTYPES
from rmobench.harness.sweep import sweep
from rmobench.registry import load, tasks, unavailable
from rmobench.statistics.leaderboard import leaderboard
from rmobench.store import load as load_store
from rmobench.store import write
from rmobench.types import Record
from tests.contract.fitting import DEAR, TASKS, chosen, optimizer_for

CPU = torch.device("cpu")


@pytest.fixture(params=[pytest.param(t, marks=pytest.mark.slow) if t in DEAR else t for t in TASKS])
def task(request):
    spec = tasks()[request.param]
    if (reason := unavailable(spec)) is not None:
        pytest.skip(f"{spec.name}: {reason}")
    return spec


def build(task, seed=0, dtype=torch.float64):
    return load(task.location)(seed, CPU, dtype, **task.args)


def values(problem):
    return {name: p.detach().clone() for name, p in problem.params.items()}


def loss_and_gradient(problem, batch):
    problem.model.zero_grad()
    loss = problem.loss(problem.model, batch)
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in problem.params.items()}


@pytest.mark.smoke
def test_one_tiny_trial_reaches_the_leaderboard(task, tmp_path):
    todo = plan(*chosen(task.name, optimizer_for(task.name)), seeds=[0], n_calls=5).trials
    (record,) = sweep(todo, save=partial(write, tmp_path), in_process=True)
    assert isinstance(record, Record), record
    (board,) = leaderboard(load_store(tmp_path))
    assert [row.optimizer for row in board.rows] == [optimizer_for(task.name)]
    assert [score.task for score in board.scores] == [record.trial.task_label]


def test_equal_seeds_start_alike_and_others_do_not(task):
    first, again, other = values(build(task)), values(build(task)), values(build(task, seed=1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_global_random_stream_is_left_alone(task):
    before = torch.get_rng_state()
    problem = build(task)
    loss_and_gradient(problem, next(problem.batches))
    problem.judge(problem.model)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_start_has_gap_one_and_no_residual(task):
    metrics = (problem := build(task)).judge(problem.model)
    assert {"objective", "residual", task.target.metric} <= metrics.keys()
    assert metrics["residual"] <= task.target.residual_max["fp64"]
    if task.target.metric == "gap":
        assert metrics["gap"] == pytest.approx(1.0, abs=1e-12)


def test_judging_changes_nothing(task):
    problem = build(task)
    _, gradients = loss_and_gradient(problem, next(problem.batches))
    before = values(problem)
    assert problem.judge(problem.model) == problem.judge(problem.model)
    assert all(torch.equal(before[name], p) for name, p in problem.params.items())
    assert all(torch.equal(gradients[name], p.grad) for name, p in problem.params.items())


@pytest.mark.parametrize("precision", sorted(set(DTYPES) - {"tf32", "bf16-amp"}))
def test_parameters_have_the_precision_and_the_loss_is_a_number(task, precision):
    problem = build(task, dtype=DTYPES[precision])
    assert {p.dtype for p in problem.params.values()} == {DTYPES[precision]}
    loss = problem.loss(problem.model, next(problem.batches))
    assert loss.shape == ()
    if precision in ("fp64", "fp32"):
        assert torch.isfinite(loss)


def test_gradients_agree_with_central_differences(task):
    """Along a random direction; step 1e-6 in float64 leaves an error of some 1e-8 relative to the loss's scale."""
    problem = build(task)
    batch = next(problem.batches)
    loss, gradients = loss_and_gradient(problem, batch)
    generator = torch.Generator().manual_seed(0)
    direction = {n: torch.randn(g.shape, generator=generator, dtype=torch.float64) for n, g in gradients.items()}
    slope = sum((gradients[n] * direction[n]).sum().item() for n in gradients)

    def moved(t):
        with torch.no_grad():
            for name, p in problem.params.items():
                p.add_(direction[name], alpha=t)
            value = problem.loss(problem.model, batch).item()
            for name, p in problem.params.items():
                p.sub_(direction[name], alpha=t)
        return value

    h = 1e-6 * max(1.0, *(p.abs().max().item() for p in problem.params.values()))
    measured = (moved(h) - moved(-h)) / (2 * h)
    rounding = 1e-15 * max(abs(loss.item()), 1.0) / h
    assert measured == pytest.approx(slope, rel=1e-5, abs=100 * rounding + 1e-9)


def test_deterministic_tasks_repeat_and_stochastic_ones_do_not(task):
    problem = build(task)
    losses = {problem.loss(problem.model, next(problem.batches)).item() for _ in range(3)}
    assert (len(losses) == 1) == ("deterministic" in task.offers)


def test_second_order_tasks_have_a_symmetric_hessian(task):
    if "second_order" not in task.offers:
        pytest.skip(f"{task.name} does not offer second_order")
    problem = build(task)
    params = list(problem.params.values())
    generator = torch.Generator().manual_seed(0)
    u, v = ([torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in params] for _ in range(2))

    def hessian_times(w):
        loss = problem.loss(problem.model, next(problem.batches))
        gradients = torch.autograd.grad(loss, params, create_graph=True)
        return torch.autograd.grad(sum((g * d).sum() for g, d in zip(gradients, w, strict=True)), params)

    left = sum((a * b).sum() for a, b in zip(u, hessian_times(v), strict=True))
    right = sum((a * b).sum() for a, b in zip(v, hessian_times(u), strict=True))
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)
