"""The command line on Ray: workers killed, the driver killed or interrupted, a cluster that is up already.

RMOBENCH_KILLS=20 pytest tests/harness/test_cluster_driver.py -k killed -s   for the long version
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from rmobench.cli import app
from rmobench.errors import InputError
from rmobench.harness.suite import expand, read_suite
from rmobench.store import read, statuses
from rmobench.types import Status
from tests.harness.engines import digests, needs_ray, suite_of_kills, without_ray

ROOT = Path(__file__).parents[2]
N_KILLS = int(os.environ.get("RMOBENCH_KILLS", "1"))
PAIR = ["run", "--task", "rosenbrock[dim=2]", "--optimizer", "adam"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "auto"], "got --address without --engine ray"),
        (["--gpus", "0.5"], "got --gpus without --engine ray"),
        (["--engine", "ray", "--in-process"], "got --engine ray and --in-process"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, said):
    done = CliRunner().invoke(app, [*PAIR, *words, "--dry-run"])
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def command(suite: Path, store: Path, *words: str) -> list[str]:
    how = ["--store", str(store), "--json", "--engine", "ray", *words]
    return [sys.executable, "-m", "rmobench", "run", str(suite), *how]


def start(*words: str, cwd: Path = ROOT, **environ: str) -> subprocess.Popen:
    """Start a driver in a process group of its own, as a shell does."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    place = {**os.environ, "PYTHONPATH": path, **environ}
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    return subprocess.Popen(words, cwd=cwd, env=place, start_new_session=True, **out)


def working(driver: psutil.Process) -> list[psutil.Process]:
    """Return the workers that have a trial in hand: Ray writes the task into the title."""
    return [p for p in driver.children(recursive=True) if p.name().startswith("ray::trial")]


def running_under(driver: subprocess.Popen) -> list[psutil.Process]:
    """Return Ray's processes but two of its agents, which try for a minute to tell a killed Ray that it was killed."""
    return [p for p in psutil.Process(driver.pid).children(recursive=True) if not is_agent(p)]


def is_agent(process: psutil.Process) -> bool:
    try:
        return any(word.endswith(("Agent", "agent.py", "agent/main.py")) for word in process.cmdline())
    except psutil.Error:  # it is gone, or a zombie
        return False


def when(true, *, within_s: float = 60.0):
    """Wait until something is true, and return it."""
    end = time.monotonic() + within_s
    while not (value := true()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
    return value


@needs_ray
@pytest.mark.slow
def test_a_machine_that_runs_out_of_memory_ends_the_trial_for_good(tmp_path):
    """Ray is told that 2 % is all that may be used, so it kills whatever runs."""
    words = [sys.executable, "-m", "rmobench", *PAIR, "--seeds", "1", "--store", str(tmp_path), "--json"]
    full = {"RAY_memory_usage_threshold": "0.02", "RAY_memory_monitor_refresh_ms": "100"}
    out, _ = start(*words, "--engine", "ray", "-j", "1", **full).communicate(timeout=120)
    (record,) = (read(path) for path in tmp_path.rglob("*.json"))
    assert (record.status, record.error) == (Status.oom, "Ray ended the worker: the machine ran out of memory")
    assert json.loads(out)["boards"]


@needs_ray
@pytest.mark.slow
def test_workers_killed_and_the_driver_killed_and_resumed_lose_and_double_nothing(tmp_path):
    path = suite_of_kills(tmp_path, seeds=2 + N_KILLS)
    whole = without_ray(expand(read_suite(str(path)).runs).trials, tmp_path / "whole", in_process=True)
    assert len(whole) == 3 * 5 * (2 + N_KILLS)
    chance = random.Random(0)
    words = command(path, tmp_path / "killed", "-j", "2")
    driver = start(*words)
    for _ in range(N_KILLS):
        n_before = len(digests(tmp_path / "killed"))
        when(lambda n=n_before: len(digests(tmp_path / "killed")) > n)
        time.sleep(chance.uniform(0.0, 0.5))
        chance.choice(when(lambda: working(psutil.Process(driver.pid)))).kill()
    everything = running_under(driver)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert not alive, "Ray outlived its driver"
    n_before = len(digests(tmp_path / "killed"))
    assert 0 < n_before < len(whole)
    out, _ = start(*words).communicate(timeout=300)
    assert json.loads(out)["boards"], "the standard output is the board alone"
    killed = statuses(tmp_path / "killed")
    assert killed.corrupt == ()
    assert killed.by_id == statuses(tmp_path / "whole").by_id
    assert digests(tmp_path / "killed") == whole
    assert len(list((tmp_path / "killed").rglob("*.json"))) == len(whole)
    print(f"\n{N_KILLS} workers killed, then the driver at {n_before} of {len(whole)} records: none lost, none doubled")


@needs_ray
@pytest.mark.slow
def test_ctrl_c_ends_everything_and_keeps_what_is_finished(tmp_path):
    driver = start(*command(suite_of_kills(tmp_path, seeds=20), tmp_path / "store", "-j", "2"))
    when(lambda: len(list((tmp_path / "store").rglob("*.json"))) >= 3)
    everything = running_under(driver)
    os.killpg(driver.pid, signal.SIGINT)  # a terminal tells the whole group
    driver.communicate(timeout=180)
    assert driver.returncode == 130
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert not alive
    held = statuses(tmp_path / "store")
    assert held.corrupt == ()
    assert len(held.by_id) >= 3
    assert not {Status.killed, Status.failed} & set(held.by_id.values()), "what was under way left no record"


# --- a cluster ---------------------------------------------------------------------------------------------


APART = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture
def head(tmp_path):
    """A cluster of one machine that is up already, of two cores; on the loopback interface, as this is a test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    ray += ["--num-cpus=2", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(ray, cwd=tmp_path, env={**os.environ, **APART}, start_new_session=True, **quiet)
    when(lambda: is_open(port))
    yield f"127.0.0.1:{port}"
    everything = [*psutil.Process(process.pid).children(recursive=True), process]
    process.terminate()
    _, alive = psutil.wait_procs(everything, timeout=20)
    for left in alive:
        left.kill()


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@needs_ray
@pytest.mark.slow
def test_a_cluster_that_is_up_runs_trials_and_stays_up(tmp_path, head):
    path = suite_of_kills(tmp_path, seeds=1)
    whole = without_ray(expand(read_suite(str(path)).runs).trials, tmp_path / "whole", in_process=True)
    words = command(path, Path("records"), "--address", head)
    out, _ = start(*words, cwd=tmp_path, **APART).communicate(timeout=120)
    assert json.loads(out)["boards"]
    assert digests(tmp_path / "records") == whole
    assert is_open(int(head.partition(":")[2]))
