"""Run one trial: rehearse, build, step and tick until the oracle says stop, and write down what happened."""

from __future__ import annotations

import gc
import hashlib
import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch

from rmobench.errors import InputError, MissingDependencyError, Stop, UnfitError
from rmobench.harness.accounting import MemoryWatch
from rmobench.harness.clock import Clock
from rmobench.harness.environment import environment
from rmobench.harness.judging import Judge
from rmobench.harness.memory import CudaPeak, NoMeter, StorageTracker, bytes_of
from rmobench.harness.oracle import CountingOracle
from rmobench.harness.plan import Planned, Refusal
from rmobench.harness.precision import DTYPES, autocast, pin_threads, set_backend
from rmobench.harness.stagnation import StagnationWatch
from rmobench.registry import load
from rmobench.types import Budget, Optimizer, Oracle, Point, Problem, Record, Status, Trial

FAULTS = (Exception, SystemExit)
"""What measured code may raise without ending more than its trial; Ctrl-C is the user's and goes through."""

REHEARSAL = {True: 25, False: 3}
"""Calls of the untimed rehearsal on cheap and on dear tasks: enough for the state to reach its full size."""

NO_SUCH_KERNEL = re.compile(
    r"not implemented for '\w+'|Low precision dtypes not supported|unsupported ScalarType"
    r"|expected scalar type (?:Half|BFloat16)"
)
OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


@dataclass(slots=True)
class Finish:
    """How the driver's loop ended."""

    status: Status
    error: str | None = None


@dataclass(slots=True)
class Run:
    """The working parts of one run through a trial."""

    problem: Problem
    optimizer: Optimizer
    oracle: CountingOracle
    judge: Judge
    clock: Clock
    meter: StorageTracker | CudaPeak | NoMeter


def run_trial(planned: Planned, *, jobs: int = 1) -> Record | Refusal:
    """Carry out a trial in this process.

    Args:
        planned: The trial with the specs it was planned from.
        jobs: Trials in flight on this machine, for the environment record.

    Returns:
        The record, whatever happened; or a refusal where the task or the optimizer cannot be built as asked.
    """
    trial = planned.trial
    started_at = time.time()
    device = torch.device(trial.device)
    set_backend(trial.precision)
    facts: dict[str, Any] = {}
    try:
        facts |= (rehearsed := _rehearse(planned, device))
        facts |= _measure(planned, device)
        facts["diagnostics"] = {**rehearsed.get("diagnostics", {}), **facts["diagnostics"]}
        if device.type == "cpu" and rehearsed.keys() >= {"peak_bytes", "state_bytes"}:
            grown = int(facts["state_bytes"]) - int(rehearsed["state_bytes"])  # since the rehearsal ended
            facts["peak_bytes"] = int(rehearsed["peak_bytes"]) + max(0, grown)
    except InputError as error:
        fatal = not isinstance(error, MissingDependencyError | UnfitError)
        return Refusal(planned=planned, reason=str(error), wrong_input=fatal)
    except FAULTS as error:
        ending = classify(error)
        facts |= {"status": ending.status, "error": ending.error}
    return Record(
        id=trial.id,
        trial=trial,
        family=planned.task.family,
        target=planned.task.target,
        environment=environment(device=trial.device, threads=trial.threads, jobs=jobs),
        started_at=started_at,
        **facts,
    )


def drive(optimizer: Optimizer, oracle: Oracle) -> Finish:
    """Step and tick until the oracle stops the trial or the solver ends by itself.

    A solver that owns its loop ticks by itself and returns a message when it ends of its own accord.
    """
    step, tick = optimizer.step, oracle.tick
    try:
        while True:
            message = step(oracle)
            if isinstance(message, str):
                return Finish(Status.stopped, message)
            tick()
    except Stop as stop:
        return Finish(*stop.args)
    except FAULTS as error:
        return classify(error)


def classify(error: BaseException) -> Finish:
    """Name an exception by the status it stands for."""
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or OUT_OF_MEMORY.search(message):
        return Finish(Status.oom, message)
    if NO_SUCH_KERNEL.search(message):
        return Finish(Status.unsupported_dtype, message)
    return Finish(Status.failed, message)


def _measure(planned: Planned, device: torch.device) -> dict[str, Any]:
    """Run the trial for the record: timed, judged, and on CUDA with the allocator's peak."""
    began = perf_counter()
    run = _set_up(planned, device, planned.trial.budget)
    setup_s = perf_counter() - began
    ending = _run(run)
    if ending.status in (Status.budget, Status.stopped) and run.judge.infeasible:
        ending = Finish(Status.infeasible, f"the residual is {run.judge.residual} at the end")
    facts: dict[str, Any] = {
        "status": ending.status,
        "error": ending.error,
        "trace": run.judge.trace,
        "trace_sha256": run.judge.trace_sha256,
        "hits": tuple(run.judge.hits),
        "spent": _spent(run),
        "setup_s": setup_s,
        "judge_s": run.judge.judge_s,
        "n_params": sum(p.numel() for p in run.problem.params.values()),
        "state_bytes": bytes_of(run.optimizer.state()),
        "model_bytes": bytes_of(run.optimizer.weights()),
        "diagnostics": finite(run.optimizer.diagnostics()),
    }
    if isinstance(run.meter, CudaPeak):
        facts["peak_bytes"] = run.meter.peak
    run.optimizer.close()
    return facts


def _rehearse(planned: Planned, device: torch.device) -> dict[str, Any]:
    """Build and step twice off the record: to load kernels and compile; to track memory, wide values, idle entries.

    What goes wrong here goes wrong again in the measured run and is recorded there; wrong input is raised.
    """
    facts: dict[str, Any] = {}
    asked = planned.trial.budget
    budget = Budget(n_calls=min(REHEARSAL[planned.task.cheap], asked.n_calls), time_s=asked.time_s / 4.0)
    began = perf_counter()
    try:
        run = _set_up(
            planned, device, budget if device.type == "cuda" else replace(budget, n_calls=min(2, budget.n_calls))
        )
        _run(run)
        run.optimizer.close()
        facts["compile_s"] = perf_counter() - began
        del run
        facts |= _track(planned, device, budget)
    except InputError:
        raise
    except FAULTS:
        pass  # the measured run will say it
    if device.type == "cuda":
        gc.collect()  # reference cycles would hold the rehearsal's tensors into the measured peak
    return facts


def _track(planned: Planned, device: torch.device, budget: Budget) -> dict[str, Any]:
    """Step for a while with every storage tracked; far slower, so never timed."""
    tracker = StorageTracker(widest=DTYPES[planned.trial.precision])
    run = _set_up(planned, device, budget, tracker)
    for tensor in (*run.problem.params.values(), *run.optimizer.state()):
        tracker.hold(tensor)
    stagnation = StagnationWatch(run.oracle, run.problem, aside=tracker.aside)
    memory = MemoryWatch(stagnation, tracker)
    with tracker:
        _run(run, through=memory)
    kept = bytes_of(run.optimizer.state())
    unseen = sum(t.numel() * t.element_size() for t in run.optimizer.state() if t.is_meta)
    says = memory.accounts(run.problem) | ({} if stagnation.share is None else {"stagnation": stagnation.share})
    run.optimizer.close()
    return {
        "peak_bytes": tracker.peak + unseen,
        "state_bytes": kept,
        "upcast": _upcast(planned, tracker.upcasts),
        "diagnostics": says,
    }


def _upcast(planned: Planned, seen: set[str]) -> str | None:
    """Say what the optimizer declares and what was seen to be wider than the precision."""
    declared, width = planned.optimizer.upcasts, DTYPES[planned.trial.precision].itemsize
    parts = [f"declares {declared}"] if declared and getattr(torch, declared).itemsize > width else []
    names = sorted(seen)
    parts += [", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")] if names else []
    return ": ".join(parts) or None


def _set_up(planned: Planned, device: torch.device, budget: Budget, tracker: StorageTracker | None = None) -> Run:
    """Build problem, optimizer, judge and oracle from the trial's own seed streams."""
    trial, task = planned.trial, planned.task
    _seed_globally(trial)
    build_problem, build_optimizer = load(task.location), load(planned.optimizer.location)
    pin_threads(trial.threads)  # building may solve for a reference
    problem = build_problem(trial.seed, device, DTYPES[trial.precision], **trial.args)
    optimizer = build_optimizer(problem, **trial.hyper)
    pin_threads(trial.threads)  # and may have loaded another BLAS
    judge = Judge(
        problem,
        target=task.target,
        residual_max=task.target.residual_max[trial.precision],
        every_step=task.cheap,
        every=task.judge_every,
        evaluating=optimizer.evaluating,
    )
    clock = Clock(torch.cuda.synchronize if device.type == "cuda" else None)
    meter: StorageTracker | CudaPeak | NoMeter = tracker or (CudaPeak() if device.type == "cuda" else NoMeter())
    context = autocast(trial.precision, device)
    oracle = CountingOracle(problem, budget=budget, judge=judge, clock=clock, meter=meter, autocast=context)
    return Run(problem, optimizer, oracle, judge, clock, meter)


def _run(run: Run, *, through: Oracle | None = None) -> Finish:
    """Judge the start, then drive with the clock running; the optimizer asks the oracle, if wanted through another."""
    try:
        run.oracle.begin()
    except Stop as stop:
        return Finish(*stop.args)
    ending = drive(run.optimizer, through or run.oracle)
    run.clock.stop()
    return ending


def finite(says: Mapping[str, float]) -> dict[str, float]:
    """Return what is a finite number: a record, being JSON, has none for the others."""
    return {name: value for name, value in says.items() if math.isfinite(value)}


def _spent(run: Run) -> Point:
    """Return the counts at the end, with the last judged metrics."""
    last = run.judge.last
    return replace(run.oracle.point(), metrics=last.metrics if last is not None else {})


def _seed_globally(trial: Trial) -> None:
    """Seed the global streams for optimizers that are not ours and draw from them; nothing of ours does."""
    digest = hashlib.sha256(f"optimizer/{trial.seed}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    random.seed(digest)
    np.random.seed(int.from_bytes(digest[:4], "little"))
