"""Carry out a plan on Ray: on this machine alone, or on a cluster that is up already."""

from __future__ import annotations

import importlib.util
import math
import os
import pickle
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from rmobench.errors import ArgumentError, InputError, MissingDependencyError
from rmobench.harness.environment import environment
from rmobench.harness.plan import Planned, Refusal
from rmobench.harness.sweep import Save, alone, confine, hard_limit_s, lost, work_guarded
from rmobench.types import Environment, Record, Status

STARTS = 10
"""How often a trial is started whose workers are lost before they begin it."""

START_S = 300
"""Seconds in which a worker imports torch and says that it begins."""

POLL_S = 1.0
OBJECTS_BYTES = 1 << 27  # outcomes of trials are small


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a worker says before it begins a trial."""

    environment: Environment
    at: float  # by the worker's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A trial of which Ray knows only how it ended."""

    status: Status
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A trial under way."""

    planned: Planned
    began_at: float
    n_lost: int = 0  # tries before this one
    n_begun: int = 0  # of them, those that were lost within the trial
    begun: Begun | None = None
    late_at: float = math.inf  # by this process's monotonic clock
    late: bool = False


def sweep_on_ray(
    planned: Sequence[Planned],
    *,
    save: Save,
    jobs: int | None = None,
    address: str | None = None,
    gpus: float = 1.0,
    memory_bytes: int | None = None,
    retries: int = 3,
) -> Generator[Record | Refusal, None, None]:
    """Run trials on Ray and yield what came of each, as it comes; close the iterator to stop early.

    A trial whose worker or machine was lost runs again. One that ran out of memory or time, or failed, does not: that
    is its record.

    Args:
        planned: In the order to start them.
        save: Writes a record; called in the process that ran the trial and, on a cluster, here too, so that machines
            need not share a folder. It must be picklable.
        jobs: Trials at a time; default: as many as the cores and GPUs hold.
        address: A cluster's, "host:port" or "auto"; default: a Ray of our own that only this machine can reach.
        gpus: What a CUDA trial takes of a GPU, in (0, 1]; trials that share one share its memory and its speed.
        memory_bytes: What a CPU worker may allocate; default: an equal part of what is free here, of all there is on
            a cluster's machine.
        retries: How often a trial runs again that took its worker with it; then its record says that it was killed.

    Raises:
        MissingDependencyError: Ray is not installed.
        ArgumentError: The address or the part of a GPU is none.
        InputError: No cluster answers, none of its machines can run a trial, or the store cannot be written.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingDependencyError("Ray is not installed. `pip install 'rmobench[cluster]'` installs it.")
    if not 0.0 < gpus <= 1.0:
        raise ArgumentError(f"got gpus={gpus:g}, expected a part of one GPU in (0, 1].")
    if address is not None and ("://" in address or address == "local"):
        raise ArgumentError(
            f"got the address {address!r}, expected 'host:port' or 'auto', of a cluster that this machine belongs to."
        )
    return _sweep(planned, save, jobs, address, gpus, memory_bytes, retries)


def _sweep(
    planned: Sequence[Planned],
    save: Save,
    jobs: int | None,
    address: str | None,
    gpus: float,
    memory_bytes: int | None,
    retries: int,
) -> Generator[Record | Refusal, None, None]:
    if not planned:
        return
    asks = {_ask(p, gpus) for p in planned}
    with ExitStack() as stack:
        ray = stack.enter_context(_connected(address, jobs, asks))
        room = _room(ray, asks)
        if address is None:
            memory_bytes = memory_bytes or psutil.virtual_memory().available // min(room, jobs or room)
        start = _starter(ray, save, jobs, gpus, memory_bytes)
        flights = stack.enter_context(closing(_run(ray, planned, start, lambda: jobs or _room(ray, asks), retries)))
        for flight, outcome in flights:
            if isinstance(outcome, Loss):
                outcome = _record_of(flight, outcome, min(room, jobs or room))
                save(outcome)
            elif isinstance(outcome, Record) and address is not None:
                save(outcome)
            yield outcome


def _run(
    ray: Any, planned: Sequence[Planned], start: Callable[[Planned], Any], room: Callable[[], int], retries: int
) -> Generator[tuple[Flight, Record | Refusal | Loss], None, None]:
    """Keep the room full, in the plan's order; what was lost goes first."""
    waiting = deque(Flight(planned=p, began_at=math.nan) for p in planned)
    flying: dict[Any, Flight] = {}  # by the stream of what the worker says
    try:
        while waiting or flying:
            for _ in range(min(len(waiting), room() - len(flying))):
                nxt = waiting.popleft()
                flying[start(nxt.planned)] = replace(nxt, began_at=time.time())
            for stream in ray.wait(list(flying), timeout=POLL_S)[0]:
                said = _heard(ray, stream, flight := flying.pop(stream))
                if isinstance(said, Begun):
                    late_at = time.monotonic() + hard_limit_s(flight.planned)
                    flying[stream] = replace(flight, begun=said, late_at=late_at)
                elif isinstance(said, Loss) and said.status == Status.killed and (again := _again(flight, retries)):
                    waiting.appendleft(again)
                else:
                    yield flight, said
            for stream in [s for s, f in flying.items() if f.late_at < time.monotonic()]:
                ray.cancel(stream, force=True)
                flying[stream] = replace(flying[stream], late_at=math.inf, late=True)
    finally:
        for stream in flying:
            with suppress(ray.exceptions.RayError):  # the cluster may be gone
                ray.cancel(stream, force=True)


def _again(flight: Flight, retries: int) -> Flight | None:
    """Return the next try of a trial whose worker was lost, or None if that was the last."""
    n_lost, n_begun = flight.n_lost + 1, flight.n_begun + (flight.begun is not None)
    if n_begun > retries or n_lost >= STARTS:
        return None
    return Flight(planned=flight.planned, began_at=math.nan, n_lost=n_lost, n_begun=n_begun)


def _heard(ray: Any, stream: Any, flight: Flight) -> Begun | Record | Refusal | Loss:
    """Return what the worker says next.

    Raises:
        InputError: The store cannot be written, no worker can begin, or the cluster is gone.
    """
    errors = ray.exceptions
    try:
        said: Begun | Record | Refusal = ray.get(next(stream))
        return said
    except errors.OutOfMemoryError:
        return Loss(status=Status.oom, error="Ray ended the worker: the machine ran out of memory")
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError, errors.TaskCancelledError):
        if flight.late:
            limit = f"{hard_limit_s(flight.planned):.0f} s"
            return Loss(status=Status.timeout, error=f"no answer within {limit}; the worker was replaced")
        return Loss(status=Status.killed, error=f"the worker died, in each of {flight.n_lost + 1} tries")
    except errors.RayTaskError as raised:
        if isinstance(raised.cause, InputError):
            raise raised.cause from None
        reason = f"{type(raised.cause).__name__}: {raised.cause}"
        if flight.begun is None:
            raise InputError(f"a worker could not begin: {reason}. Every machine needs the same rmobench.") from raised
        return Loss(status=Status.failed, error=f"the outcome could not be handed over: {reason}")
    except errors.RayError as broken:
        raise InputError(f"Ray cannot go on: {type(broken).__name__}: {broken} Finished trials are kept.") from broken


def _record_of(flight: Flight, loss: Loss, jobs: int) -> Record:
    """Describe a trial that was lost; where it ran is known if it had begun."""
    record = lost(flight.planned, loss.status, loss.error, flight.began_at, jobs)
    if flight.begun is None:
        return record
    return replace(record, environment=flight.begun.environment, started_at=flight.begun.at)


# --- what a trial asks for ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """What a trial asks of a machine."""

    cpus: int
    gpus: float

    def fit(self, resources: Mapping[str, float]) -> int:
        """Return how many such trials a machine holds at a time."""
        n = int(resources.get("CPU", 0.0)) // self.cpus
        return min(n, int(resources.get("GPU", 0.0)) * int(1.0 / self.gpus + 1e-9)) if self.gpus else n


def _ask(planned: Planned, gpus: float) -> Ask:
    return Ask(planned.trial.threads, gpus if planned.trial.device == "cuda" else 0.0)


def _room(ray: Any, asks: set[Ask]) -> int:
    """Return how many trials the machines that are up hold at a time.

    Raises:
        InputError: None of them can run a trial.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room, ask = min(((sum(map(ask.fit, machines)), ask) for ask in asks), key=lambda pair: pair[0])
    if room == 0:
        wanted = f"{ask.cpus} cores" + (f" and {ask.gpus:g} of a GPU" if ask.gpus else "")
        raise InputError(f"a trial takes {wanted}, and none of Ray's {len(machines)} machines has them.")
    return room


# --- connecting --------------------------------------------------------------------------------------------


@contextmanager
def _connected(address: str | None, jobs: int | None, asks: set[Ask]) -> Iterator[Any]:
    """Join a cluster, or start a Ray that lasts as long as the sweep and listens on the loopback interface alone.

    Raises:
        InputError: That did not work.
    """
    with ExitStack() as stack:
        if address is None:
            stack.enter_context(_environ(_apart()))
            # Ray opens its own folder to everybody, and socket paths must be short
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rmobench-", dir="/tmp"))
            cpus = max(ask.cpus for ask in asks)
            how = {
                "address": "local",
                "num_cpus": jobs * cpus if jobs else max(cpus, os.cpu_count() or 1),
                "num_gpus": None if any(ask.gpus for ask in asks) else 0,
                "include_dashboard": False,
                "object_store_memory": OBJECTS_BYTES,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": f"{folder}/ray",
            }
        else:
            _check_answers(address)
            stack.enter_context(_environ(NO_ADVICE | {"RAY_NUM_REDIS_GET_RETRIES": "3"}))  # of 40 s; 20 unless said
            how = {"address": address}
        import ray

        try:
            ray.init(**how, logging_level="warning")
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            place = "here" if address is None else f"at {address}"
            raise InputError(f"no Ray {place}: {type(error).__name__}: {error}") from error
        stack.callback(ray.shutdown)
        if address is None and any(node["NodeManagerAddress"] not in LOOPBACK for node in ray.nodes()):
            raise InputError("ray was imported before rmobench could keep it to this machine. Run in a process apart.")
        yield ray


def _check_answers(address: str) -> None:
    """Raise InputError where nothing listens: Ray would try for a quarter of an hour."""
    host, _, port = address.rpartition(":")
    try:
        if address != "auto":
            socket.create_connection((host.strip("[]"), int(port)), timeout=20.0).close()
    except (OSError, ValueError) as error:
        raise InputError(f"no Ray at {address}: {error}. `ray start --head` starts one.") from error


LOOPBACK = ("127.0.0.1", "::1")
NO_ADVICE = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}  # what CPU trials see of GPUs; unset, Ray advises to set it


@cache
def _apart() -> Mapping[str, str]:
    """Return what makes Ray keep to this machine and to itself. It is read when Ray is imported, and once a process."""
    return NO_ADVICE | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # says no other machine will come, on Linux too: bind loopback
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",  # other users of this machine
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_worker_niceness": "0",  # as in the local pool
    }


@contextmanager
def _environ(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# --- workers -----------------------------------------------------------------------------------------------


def _starter(ray: Any, save: Save, jobs: int | None, gpus: float, memory_bytes: int | None) -> Callable[[Planned], Any]:
    """Return what starts a trial and gives the stream of what its worker says: Begun, then the outcome."""
    how = {"max_retries": 0, "num_returns": "streaming"}  # which losses are tried again is ours to say
    reused = ray.remote(**how)(_entry())
    # an environment of its own keeps processes that ran other trials away
    fresh = ray.remote(**how, max_calls=1, runtime_env={"env_vars": {"RMOBENCH_FRESH": "1"}})(_entry())
    path = tuple(sys.path)
    unasked = (str(Path.cwd()), str(Path(sys.argv[0]).resolve().parent))  # Ray puts these first on every worker's path

    def start(planned: Planned) -> Any:
        ask = _ask(planned, gpus)
        task = (fresh if alone(planned) else reused).options(num_cpus=ask.cpus, num_gpus=ask.gpus)
        return task.remote(path, unasked, pickle.dumps((planned, save, jobs, ask, memory_bytes)))

    return start


def _entry() -> Callable[..., Iterator[Begun | Record | Refusal]]:
    """Return a worker's first function. Being local to this one, it travels by value: it runs before any import."""

    def trial(path: Sequence[str], unasked: Sequence[str], call: bytes) -> Iterator[Begun | Record | Refusal]:
        import pickle
        import sys

        sys.path[:] = [*(p for p in sys.path if p not in path and p not in unasked), *path]
        from rmobench.harness.cluster import serve

        yield from serve(*pickle.loads(call))

    return trial


def serve(
    planned: Planned, save: Save, jobs: int | None, ask: Ask, memory_bytes: int | None
) -> Iterator[Begun | Record | Refusal]:
    """Work in a Ray worker: say that it begins, then what came of it."""
    signal.alarm(START_S)
    import rmobench.harness.trial  # noqa: F401  # torch, whose seconds are not the trial's

    trial = planned.trial
    room = ask.fit(_resources_here())
    jobs = min(room, jobs or room)
    confine(None if ask.gpus else memory_bytes or psutil.virtual_memory().total // jobs)
    yield Begun(environment=environment(device=trial.device, threads=trial.threads, jobs=jobs), at=time.time())
    yield work_guarded(planned, save=save, jobs=jobs)


@cache
def _resources_here() -> Mapping[str, float]:
    """Return what Ray holds this machine to have."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    found: Mapping[str, float] = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == here)
    return found
