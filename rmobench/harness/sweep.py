"""Carry out a plan: in worker processes with time limits and replacement, or in this process."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures import TimeoutError as WorkerHung
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import forkserver

import psutil
from pebble import ProcessExpired, ProcessPool

from rmobench.errors import InputError
from rmobench.harness.environment import environment
from rmobench.harness.plan import Planned, Refusal
from rmobench.types import Record, Status

Save = Callable[[Record], object]


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
    memory_bytes = memory_bytes or psutil.virtual_memory().available // jobs
    on_cuda = any(p.trial.device == "cuda" for p in planned)
    context = _context()
    pools = {
        fresh: ProcessPool(
            max_workers=jobs,
            max_tasks=1 if fresh else 0,
            context=context,
            initializer=_enter_worker,
            initargs=(None if on_cuda else memory_bytes, tuple(sys.path)),
        )
        for fresh in {alone(p) for p in planned}
    }
    try:
        yield from _run(pools, planned, partial(work_guarded, save=save, jobs=jobs), save, jobs)
    finally:
        for pool in pools.values():
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def alone(planned: Planned) -> bool:
    """Tell who gets a fresh process: CUDA, whose allocator's peak starts at nothing, and code we do not know."""
    foreign = not all(s.location.startswith("rmobench.") for s in (planned.task, planned.optimizer))
    return foreign or planned.optimizer.family == "user" or planned.trial.device == "cuda"


def work(planned: Planned, *, save: Save, jobs: int) -> Record | Refusal:
    """Run one trial and write its record: what every engine calls in its worker."""
    from rmobench.harness.trial import run_trial  # imports torch: in workers only

    outcome = run_trial(planned, jobs=jobs)
    if isinstance(outcome, Record):
        save(outcome)
    return outcome


def work_guarded(planned: Planned, *, save: Save, jobs: int) -> Record | Refusal:
    """Work in a worker: the alarm ends it even if the driver is gone and measured code never lets go."""
    signal.alarm(math.ceil(hard_limit_s(planned)) + 30)
    try:
        return work(planned, save=save, jobs=jobs)
    except KeyboardInterrupt:  # workers do not hear Ctrl-C: measured code raised it
        record = lost(planned, Status.failed, "KeyboardInterrupt", time.time(), jobs)
        save(record)
        return record
    finally:
        signal.alarm(0)


def hard_limit_s(planned: Planned) -> float:
    """Return the seconds after which a worker is taken for hung; rehearsal, set-up and judging have room in it."""
    return 2.0 * planned.trial.budget.time_s + 10.0


def _run(
    pools: Mapping[bool, ProcessPool],
    planned: Sequence[Planned],
    run: Callable[[Planned], Record | Refusal],
    save: Save,
    jobs: int,
) -> Generator[Record | Refusal, None, None]:
    """Keep `jobs` trials in flight, in their order, whichever pool they belong to."""
    waiting = iter(planned)
    flying: dict[Future[Record | Refusal], tuple[Planned, float]] = {}
    while True:
        while len(flying) < jobs and (nxt := next(waiting, None)) is not None:
            future: Future[Record | Refusal] = pools[alone(nxt)].schedule(run, args=(nxt,), timeout=hard_limit_s(nxt))
            flying[future] = (nxt, time.time())
        if not flying:
            return
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in done:
            yield _outcome(future, *flying.pop(future), save=save, jobs=jobs)


def _outcome(
    future: Future[Record | Refusal], planned: Planned, started_at: float, *, save: Save, jobs: int
) -> Record | Refusal:
    """Return the worker's outcome, or write the record of a trial whose worker was lost.

    Raises:
        InputError: The store cannot be written.
        BrokenProcessPool: No worker can be started; that is nobody's record.
    """
    try:
        return future.result()
    except WorkerHung:
        status, error = Status.timeout, f"no answer within {hard_limit_s(planned):.0f} s; the worker was replaced"
    except ProcessExpired as expired:
        status, error = Status.killed, f"the worker died with exit code {expired.exitcode}"
    except (InputError, BrokenProcessPool, CancelledError):
        raise
    except Exception as broken:
        status, error = Status.failed, f"the outcome could not be handed over: {type(broken).__name__}: {broken}"
    record = lost(planned, status, error, started_at, jobs)
    save(record)
    return record


def lost(planned: Planned, status: Status, error: str, started_at: float, jobs: int) -> Record:
    """Describe a trial that left nothing but its end."""
    trial = planned.trial
    return Record(
        id=trial.id,
        trial=trial,
        family=planned.task.family,
        target=planned.task.target,
        status=status,
        error=error,
        environment=environment(device=trial.device, threads=trial.threads, jobs=jobs),
        started_at=started_at,
    )


def _context() -> multiprocessing.context.BaseContext:
    """Fork workers from a clean server that has torch imported: a worker is replaced in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rmobench.harness.trial"])
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"  # the server must not import what happens to lie in the current folder
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
    return context


def _enter_worker(memory_bytes: int | None, path: tuple[str, ...]) -> None:
    """Prepare a worker that imports what the driver would, and does not outlive it."""
    sys.path[:] = path
    confine(memory_bytes)
    threading.Thread(target=_leave_with_driver, daemon=True).start()


def confine(memory_bytes: int | None) -> None:
    """Prepare a process for measured code: Ctrl-C is the driver's business, and memory has a bound.

    What measured code prints goes to the standard error: the standard output is the driver's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    if memory_bytes is not None:  # CUDA maps far more than it uses
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _leave_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        multiprocessing.connection.wait([driver.sentinel])
        os._exit(1)
