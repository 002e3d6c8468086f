"""What every task keeps to."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rmobench.errors import ContractError
from rmobench.harness.contract.check import Check
from rmobench.harness.precision import DTYPES
from rmobench.registry import ChosenTask, load
from rmobench.types import Problem

CPU = torch.device("cpu")

STORED = sorted(set(DTYPES) - {"tf32", "bf16-amp"})
"""Precisions that are the type of what is stored."""

REL, ABS = 1e-5, 1e-9
"""How far a slope may lie from a central difference: the latter's own error at a step of 1e-6 is some 1e-8."""


def build(task: ChosenTask, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Problem:
    """Build a task on the CPU."""
    problem: Problem = load(task.spec.location)(seed, CPU, dtype, **task.args)
    return problem


def values(problem: Problem) -> dict[str, Tensor]:
    """Copy the parameters."""
    return {name: p.detach().clone() for name, p in problem.params.items()}


def loss_and_gradient(problem: Problem, batch: object) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss [] and copies of the gradients, which stay in .grad too.

    Raises:
        ContractError: A parameter has no gradient.
    """
    problem.model.zero_grad()
    loss = problem.loss(problem.model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad.clone() for name, p in problem.params.items() if p.grad is not None}
    if idle := sorted(set(problem.params) - set(gradients)):
        raise ContractError(f"the loss does not depend on {', '.join(idle)}")
    return loss.detach(), gradients


def seeds(task: ChosenTask) -> None:
    """Start alike at equal seeds, and elsewhere at others."""
    first, again, other = (values(build(task, seed=seed)) for seed in (0, 0, 1))
    for name in first:
        if not torch.equal(first[name], again[name]):
            raise ContractError(f"{name} starts elsewhere when the task is built again with the same seed")
    if all(torch.equal(first[name], other[name]) for name in first):
        raise ContractError("seeds 0 and 1 start at the same point")


def leaves_random_stream(task: ChosenTask) -> None:
    """Draw nothing from the global random stream."""
    before = torch.get_rng_state()
    problem = build(task)
    loss_and_gradient(problem, next(problem.batches))
    problem.judge(problem.model)
    if not torch.equal(torch.get_rng_state(), before):
        raise ContractError("torch's global generator was drawn from, or seeded")


def start(task: ChosenTask) -> str:
    """Start at gap one, on the constraint."""
    metrics = (problem := build(task)).judge(problem.model)
    target = task.spec.target
    if missing := {"objective", "residual", target.metric} - metrics.keys():
        raise ContractError(f"judge gave {', '.join(metrics)}; {', '.join(sorted(missing))} is missing")
    if not metrics["residual"] <= target.residual_max["fp64"]:
        raise ContractError(f"the start violates the constraint by {metrics['residual']:.3g}")
    if target.metric == "gap" and not math.isclose(metrics["gap"], 1.0, rel_tol=1e-6, abs_tol=1e-12):
        raise ContractError(f"the gap of the start is {metrics['gap']!r}, expected 1")
    return f"{target.metric} {metrics[target.metric]:.4g} at the start"


def judging_is_pure(task: ChosenTask) -> None:
    """Judge twice alike, and change nothing."""
    problem = build(task)
    _, gradients = loss_and_gradient(problem, next(problem.batches))
    before = values(problem)
    if problem.judge(problem.model) != problem.judge(problem.model):
        raise ContractError("judging twice gives two results")
    for name, p in problem.params.items():
        if not torch.equal(before[name], p):
            raise ContractError(f"judging changed {name}")
        if p.grad is None or not torch.equal(gradients[name], p.grad):
            raise ContractError(f"judging changed the gradient of {name}")


def every_precision(task: ChosenTask) -> None:
    """Store parameters in the precision that was asked for, and have a loss that is a number."""
    for precision in STORED:
        problem = build(task, dtype=DTYPES[precision])
        if others := {str(p.dtype) for p in problem.params.values()} - {str(DTYPES[precision])}:
            raise ContractError(f"at {precision} parameters are {', '.join(sorted(others))}")
        loss = problem.loss(problem.model, next(problem.batches))
        if loss.shape != ():
            raise ContractError(f"the loss has shape {list(loss.shape)}, expected []")
        if precision in ("fp64", "fp32") and not torch.isfinite(loss):
            raise ContractError(f"the loss of the start is {loss.item()} at {precision}")


def gradients_are_right(task: ChosenTask) -> str:
    """Agree with central differences along a random direction, in float64."""
    problem = build(task)
    batch = next(problem.batches)
    loss, gradients = loss_and_gradient(problem, batch)
    generator = torch.Generator().manual_seed(0)
    direction = {n: torch.randn(g.shape, generator=generator, dtype=torch.float64) for n, g in gradients.items()}
    slope = sum((gradients[n] * direction[n]).sum().item() for n in gradients)
    h = 1e-6 * max(1.0, *(p.detach().abs().max().item() for p in problem.params.values()))
    measured = (_moved(problem, batch, direction, h) - _moved(problem, batch, direction, -h)) / (2.0 * h)
    rounding = 1e-15 * max(abs(loss.item()), 1.0) / h
    if not math.isclose(measured, slope, rel_tol=REL, abs_tol=100.0 * rounding + ABS):
        raise ContractError(f"the slope is {slope:.9g}, central differences give {measured:.9g}")
    return f"slope {slope:.6g}, by central differences {measured:.6g}"


def _moved(problem: Problem, batch: object, direction: dict[str, Tensor], t: float) -> float:
    """Return the loss at a distance along the direction, and come back."""
    with torch.no_grad():
        for name, p in problem.params.items():
            p.add_(direction[name], alpha=t)
        value = problem.loss(problem.model, batch).item()
        for name, p in problem.params.items():
            p.sub_(direction[name], alpha=t)
    return value


def noise_is_declared(task: ChosenTask) -> None:
    """Repeat the loss exactly if it offers `deterministic`, and only then."""
    problem = build(task)
    losses = {problem.loss(problem.model, next(problem.batches)).item() for _ in range(3)}
    if (len(losses) == 1) is not ("deterministic" in task.spec.offers):
        said = "offers" if "deterministic" in task.spec.offers else "does not offer"
        raise ContractError(f"it {said} deterministic, and three batches give {len(losses)} losses")


def hessian_is_symmetric(task: ChosenTask) -> str:
    """Have a symmetric Hessian if it offers `second_order`."""
    if "second_order" not in task.spec.offers:
        return "does not offer second_order"
    problem = build(task)
    params = list(problem.params.values())
    generator = torch.Generator().manual_seed(0)
    u, v = ([torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in params] for _ in range(2))
    left, right = _product(problem, u, v), _product(problem, v, u)
    if not math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9):
        raise ContractError(f"u.Hv is {left:.12g}, v.Hu is {right:.12g}")
    return ""


def _product(problem: Problem, u: list[Tensor], v: list[Tensor]) -> float:
    params = list(problem.params.values())
    loss = problem.loss(problem.model, next(problem.batches))
    gradients = torch.autograd.grad(loss, params, create_graph=True)
    slope = torch.stack([(g * d).sum() for g, d in zip(gradients, v, strict=True)]).sum()
    return sum((a * b).sum().item() for a, b in zip(u, torch.autograd.grad(slope, params), strict=True))


TASK_CHECKS: tuple[Check[ChosenTask], ...] = (
    Check(
        states="equal seeds start alike, others do not",
        advice="Draw the start from `stream(seed, 'init')` of rmobench.tasks.streams, and from nothing else.",
        run=seeds,
    ),
    Check(
        states="the global random stream is left alone",
        advice="Draw from the streams of rmobench.tasks.streams; hand torch functions their `generator=`.",
        run=leaves_random_stream,
    ),
    Check(
        states="the start is judged: gap one, on the constraint",
        advice="judge gives objective, residual and the target's metric; gap is (f - f*) / (f0 - f*).",
        run=start,
    ),
    Check(
        states="judging changes nothing",
        advice="Judge a detached float64 copy; keep random draws and counters out of it.",
        run=judging_is_pure,
    ),
    Check(
        states="parameters have the precision, and the loss is a number",
        advice="Make parameters and data with the `dtype` that is handed in; the loss is a mean, of shape [].",
        run=every_precision,
    ),
    Check(
        states="gradients agree with central differences",
        advice="Look for `.detach()`, `.item()` or in-place operations on the way from the parameters to the loss.",
        run=gradients_are_right,
    ),
    Check(
        states="noise is declared",
        advice="`offers=('deterministic', ...)` exactly if every batch gives the same loss.",
        run=noise_is_declared,
    ),
    Check(
        states="a declared second order is there",
        advice="Offer second_order only where the loss can be differentiated twice.",
        run=hessian_is_symmetric,
    ),
)
