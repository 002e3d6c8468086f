"""Every outcome is a record with its status, and the sweep goes on."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from rmobench import store as record_store
from rmobench.harness.plan import Refusal
from rmobench.harness.suite import Sweep, expand
from rmobench.harness.sweep import sweep
from rmobench.types import Record, Status

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "Raises": Status.failed,
    "ReturnsNaN": Status.nonfinite,
    "Hangs": Status.timeout,
    "ChangesShape": Status.failed,
    "KillsItself": Status.killed,
    "RunsOutOfMemory": Status.oom,
    "Slow": Status.timeout,
    "Overflows": Status.diverged,
    "Exits": Status.failed,
    "Interrupts": Status.failed,
    "LeavesAMess": Status.failed,  # in its own trial only
    "Quiet": Status.failed,
}


def planned(**changes):
    given = {"tasks": ("rosenbrock[dim=2]",), "optimizers": ("adam",), "seeds": 2, "n_calls": 60} | changes
    return expand([Sweep(**given)])


def outcomes(plan, tmp_path: Path, **how):
    return list(sweep(plan.trials, save=partial(record_store.write, tmp_path), **how))


@pytest.mark.slow
def test_misbehaving_optimizers_are_records_and_harm_nobody(tmp_path):
    bad = tuple(f"tests.harness.misbehaving:{name}" for name in EXPECTED)
    plan = planned(optimizers=("adam", *bad), seeds=1, time_s=1.0)
    alone = {r.id: r for r in outcomes(planned(seeds=1, time_s=1.0), tmp_path / "alone")}
    done = {r.trial.label: r for r in outcomes(plan, tmp_path / "all", jobs=2)}
    assert {label.partition(":")[2]: r.status for label, r in done.items() if ":" in label} == EXPECTED
    adam = done["adam"]
    assert adam.trace_sha256 == alone[adam.id].trace_sha256
    assert len(record_store.statuses(tmp_path / "all").by_id) == len(plan.trials)
    assert "changed x: got shape [1]" in done["tests.harness.misbehaving:ChangesShape"].error
    assert done["tests.harness.misbehaving:Raises"].error == "ZeroDivisionError: as badly behaved code does"


def test_a_worker_that_allocates_beyond_its_share_is_out_of_memory(tmp_path):
    plan = planned(optimizers=("tests.harness.hoarding:Hoards",), seeds=1)
    (record,) = outcomes(plan, tmp_path, memory_bytes=1 << 31)
    assert record.status == Status.oom


@pytest.mark.parametrize("name", ["TellsItsProcess", "adam"])
def test_foreign_code_gets_a_process_of_its_own(tmp_path, name):
    """Four trials one after the other: four processes, or one for ours."""
    foreign = name != "adam"
    plan = planned(optimizers=(f"tests.harness.threads:{name}" if foreign else name,), seeds=4, n_calls=5)
    done = outcomes(plan, tmp_path, jobs=1)
    assert len(done) == 4
    if foreign:
        assert len({r.error for r in done}) == 4


@pytest.mark.gpu
def test_every_cuda_trial_has_a_process_of_its_own_and_its_peak(tmp_path):
    plan = expand(
        [Sweep(tasks=("matrix_quadratic[rows=256,columns=256]",), optimizers=("adam",), seeds=3, n_calls=20)],
        device="cuda",
    )
    done = outcomes(plan, tmp_path)
    assert {r.peak_bytes for r in done} == {done[0].peak_bytes}, "nothing is left over from the trial before"
    assert done[0].peak_bytes >= 4 * 256 * 256 * 8  # x, its gradient, and Adam's two moments


@pytest.mark.gpu
def test_a_lost_cuda_worker_names_its_device(tmp_path):
    plan = expand(
        [Sweep(tasks=("sphere",), optimizers=("tests.harness.misbehaving:KillsItself",), seeds=1)], device="cuda"
    )
    (record,) = outcomes(plan, tmp_path)
    assert (record.status, record.environment.device) == (Status.killed, torch.cuda.get_device_name())


@pytest.mark.slow
def test_processes_and_one_process_give_bit_equal_traces(tmp_path):
    plan = planned(tasks=("rosenbrock[dim=2]", "ackley[dim=5]"), optimizers=("adam", "lbfgs", "bfgs"))
    pooled = outcomes(plan, tmp_path / "pool", jobs=2)
    single = outcomes(plan, tmp_path / "single", in_process=True)
    digests = {r.id: r.trace_sha256 for r in pooled}
    assert digests == {r.id: r.trace_sha256 for r in single}
    assert len(digests) == 12


def test_a_task_that_cannot_be_built_is_refused_with_its_reason(tmp_path):
    (refusal,) = outcomes(planned(tasks=("powell[dim=10]",), seeds=1), tmp_path, in_process=True)
    assert isinstance(refusal, Refusal)
    assert refusal.wrong_input
    assert "multiple of 4" in refusal.reason


def test_wrong_hyperparameters_of_a_users_class_are_refused(tmp_path):
    plan = planned(optimizers=("torch.optim:NAdam[learning=1]",), seeds=1)
    (refusal,) = outcomes(plan, tmp_path, in_process=True)
    assert isinstance(refusal, Refusal)
    assert "unexpected keyword argument 'learning'" in refusal.reason


def test_workers_are_pinned_and_import_nothing_from_the_current_folder(tmp_path, monkeypatch):
    """A folder with a package of our name does not take over, and every BLAS has the trial's threads."""
    (tmp_path / "rmobench").mkdir()
    (tmp_path / "rmobench" / "__init__.py").write_text("raise RuntimeError('taken over')")
    (tmp_path / "statistics.py").write_text("raise RuntimeError('taken over')")
    monkeypatch.chdir(tmp_path)
    code = (
        "import sys; sys.path.append('.')\n"
        "from rmobench.harness.suite import Sweep, expand\n"
        "from rmobench.harness.sweep import sweep\n"
        "if __name__ == '__main__':\n"
        f"    sys.path.append({str(ROOT)!r})\n"
        "    run = Sweep(tasks=('sphere',), optimizers=('tests.harness.threads:Counts', 'adam'), seeds=1, n_calls=5)\n"
        "    for r in sweep(expand([run]).trials, save=print):\n"
        "        sys.stderr.write(f'{r.trial.label} {r.status} {r.error}\\n')\n"
    )
    (tmp_path / "script.py").write_text(code)
    words = [sys.executable, "-P", str(tmp_path / "script.py")]
    unpinned = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    path = {"PYTHONPATH": str(ROOT)} if "site-packages" not in record_store.__file__ else {}
    done = subprocess.run(words, capture_output=True, text=True, env=unpinned | path, cwd=tmp_path)
    assert "adam budget None" in done.stderr, done.stderr
    assert "Counts failed ValueError: threads [1" in done.stderr, done.stderr
    assert "2" not in done.stderr.partition("threads [")[2].partition("]")[0]


def test_stopping_early_keeps_what_is_finished(tmp_path):
    plan = planned(seeds=20)
    running = sweep(plan.trials, save=partial(record_store.write, tmp_path))
    first = next(running)
    running.close()
    assert isinstance(first, Record)
    assert first.id in record_store.statuses(tmp_path).by_id
