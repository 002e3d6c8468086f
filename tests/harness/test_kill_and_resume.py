"""A sweep that is killed at random moments and resumed ends as if nothing had happened.

RMOBENCH_KILLS=20 pytest tests/harness/test_kill_and_resume.py -s   for the long version
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from rmobench.cli import app
from rmobench.store import read, statuses
from tests.harness.engines import suite_of_kills

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "rmobench"]
N_KILLS = int(os.environ.get("RMOBENCH_KILLS", "2"))


def run(suite: Path, store: Path, *words: str) -> subprocess.Popen:
    words = [*PROGRAM, "run", str(suite), "--store", str(store), "-j", "2", "--json", *words]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def board(suite: Path, store: Path) -> dict:
    done = CliRunner().invoke(app, ["leaderboard", str(suite), "--store", str(store), "--json"])
    assert done.exit_code == 0, done.output
    return without_times(json.loads(done.stdout))


def without_times(value):
    """Counts are equal between runs; seconds, and bytes that depend on none, are not compared here."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if not k.endswith("_s") and "started" not in k}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def workers_of(driver: psutil.Process) -> list[psutil.Process]:
    try:
        return driver.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
def test_killed_and_resumed_is_as_if_uninterrupted(tmp_path):
    suite = suite_of_kills(tmp_path, seeds=6)
    began = time.perf_counter()
    out, err = run(suite, tmp_path / "whole").communicate(timeout=300)
    assert out, err.decode()
    whole_s = time.perf_counter() - began
    whole = statuses(tmp_path / "whole")
    assert len(whole.by_id) == 3 * 5 * 6

    chance = random.Random(0)
    orphans: list[psutil.Process] = []
    for _ in range(N_KILLS):
        driver = run(suite, tmp_path / "killed")
        time.sleep(chance.uniform(0.2, 0.6) * whole_s)
        orphans += workers_of(psutil.Process(driver.pid)) if driver.poll() is None else []
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert not alive, "workers outlived their driver"
    out, err = run(suite, tmp_path / "killed").communicate(timeout=300)
    assert out, err.decode()

    killed = statuses(tmp_path / "killed")
    assert killed.corrupt == ()
    assert killed.by_id == whole.by_id
    files = list((tmp_path / "killed").rglob("*.json"))
    assert len(files) == len(whole.by_id)
    assert {read(p).id for p in files} == set(whole.by_id)
    digests = [{read(p).id: read(p).trace_sha256 for p in (tmp_path / s).rglob("*.json")} for s in ("whole", "killed")]
    assert digests[0] == digests[1]
    assert board(suite, tmp_path / "killed") == board(suite, tmp_path / "whole")
    print(f"\n{N_KILLS} kills of a {whole_s:.0f} s sweep: {len(files)} records, none damaged, none doubled")
