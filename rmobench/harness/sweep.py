"""Carry out a plan: in worker processes with time limits and replacement, or in this process."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as WorkerHung
from functools import partial
from typing import Any

import psutil
from pebble import ProcessExpired, ProcessPool

from rmobench.harness.environment import environment
from rmobench.harness.plan import Planned, Refusal
from rmobench.types import Record, Status

Save = Callable[[Record], object]
AHEAD = 4
"""Trials handed to the pool per worker beyond the one in flight."""


def sweep(
    planned: Sequence[Planned],
    *,
    save: Save,
    jobs: int = 1,
    in_process: bool = False,
    memory_bytes: int | None = None,
) -> Generator[Record | Refusal, None, None]:
    """Run trials and yield what came of each, as it comes; close the iterator to stop early.

    Args:
        planned: In the order to start them.
        save: Writes a record; called in the process that ran the trial, so that nothing finished is ever lost.
            It must be picklable.
        jobs: Worker processes.
        in_process: Run in this process, one after the other: for debuggers. No time limit, no isolation.
        memory_bytes: What a CPU worker may allocate; default: an equal part of what is free.
    """
    if in_process:
        yield from (work(p, save=save, jobs=1) for p in planned)
        return
    on_cuda = any(p.trial.device == "cuda" for p in planned)
    pool = ProcessPool(
        max_workers=jobs,
        max_tasks=1 if on_cuda else 0,  # a fresh process per CUDA trial: the allocator's peak starts at nothing
        context=_context(),
        initializer=_enter_worker,
        initargs=(None if on_cuda else memory_bytes or psutil.virtual_memory().available // jobs, tuple(sys.path)),
    )
    try:
        yield from _run(pool, planned, partial(work, save=save, jobs=jobs), save, jobs)
        pool.close()  # type: ignore[no-untyped-call]
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def work(planned: Planned, *, save: Save, jobs: int) -> Record | Refusal:
    """Run one trial and write its record: what every engine calls in its worker."""
    from rmobench.harness.trial import run_trial  # imports torch: in workers only

    outcome = run_trial(planned, jobs=jobs)
    if isinstance(outcome, Record):
        save(outcome)
    return outcome


def hard_limit_s(planned: Planned) -> float:
    """Return the seconds after which a worker is taken for hung; rehearsal, set-up and judging have room in it."""
    return 2.0 * planned.trial.budget.time_s + 10.0


def _run(
    pool: ProcessPool, planned: Sequence[Planned], run: Callable[[Planned], Any], save: Save, jobs: int
) -> Generator[Record | Refusal, None, None]:
    waiting = iter(planned)
    flying: dict[Future[Record | Refusal], tuple[Planned, float]] = {}
    while True:
        while len(flying) < jobs * (1 + AHEAD) and (nxt := next(waiting, None)) is not None:
            flying[pool.schedule(run, args=(nxt,), timeout=hard_limit_s(nxt))] = (nxt, time.time())
        if not flying:
            return
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in done:
            yield _outcome(future, *flying.pop(future), save=save, jobs=jobs)


def _outcome(
    future: Future[Record | Refusal], planned: Planned, started_at: float, *, save: Save, jobs: int
) -> Record | Refusal:
    """Return the worker's outcome, or write the record of a trial whose worker was lost."""
    try:
        outcome: Record | Refusal = future.result()
        return outcome
    except WorkerHung:
        status, error = Status.timeout, f"no answer within {hard_limit_s(planned):.0f} s; the worker was replaced"
    except ProcessExpired as expired:
        status, error = Status.killed, f"the worker died with exit code {expired.exitcode}"
    except Exception as broken:
        status, error = Status.failed, f"the outcome could not be handed over: {type(broken).__name__}: {broken}"
    trial = planned.trial
    record = Record(
        id=trial.id,
        trial=trial,
        family=planned.task.family,
        target=planned.task.target,
        status=status,
        error=error,
        environment=environment(threads=trial.threads, jobs=jobs),
        started_at=started_at,
    )
    save(record)
    return record


def _context() -> multiprocessing.context.BaseContext:
    """Fork workers from a clean server that has torch imported: a worker is replaced in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rmobench.harness.trial"])
    return context


def _enter_worker(memory_bytes: int | None, path: tuple[str, ...]) -> None:
    """Prepare a worker: Ctrl-C is the driver's business, memory has a bound, and no worker outlives the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = path
    if memory_bytes is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, hard))
    threading.Thread(target=_leave_with_driver, daemon=True).start()


def _leave_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        multiprocessing.connection.wait([driver.sentinel])
        os._exit(1)
