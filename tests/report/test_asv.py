"""Records of seven commits go through asv's own files and come out as the regression that was put in."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rmobench.errors import InputError, MissingDependencyError
from rmobench.harness.suite import expand, read_suite
from rmobench.report.asv import PublishReport, publish
from rmobench.report.tracks import TRACKS, benchmark_name, samples, values
from rmobench.store import load, write
from rmobench.types import Record
from suites import smoke
from tests.store import factory

PROJECT = Path(__file__).parents[2]
SMOKE = """
description = "a small one"
[[runs]]
tasks = ["rosenbrock[dim=2]", "ackley[dim=5]", "levy[dim=5]", "kink", "pca_digits[rank=8]"]
optimizers = ["@classical", "@riemannian"]
n_calls = 300
"""
SLOWED = "adam"
CALLS = 80


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that asv starts import this checkout, installed or not."""
    for name in ("PYTHONPATH", "ASV_PYTHONPATH"):
        monkeypatch.setenv(name, str(PROJECT))


@pytest.fixture
def checkout(repository: Path) -> Path:
    """The repository, without results."""
    shutil.rmtree(repository / "results", ignore_errors=True)
    return repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of seven commits with this project's benchmarks and asv.conf.json, and a small smoke.toml."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(PROJECT / "suites", root / "suites", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "suites" / "smoke.toml").write_text(SMOKE)
    shutil.copy(PROJECT / "asv.conf.json", root)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", ".")
    for i in range(7):
        at = {"GIT_AUTHOR_DATE": f"{1_700_000_000 + i} +0000", "GIT_COMMITTER_DATE": f"{1_700_000_000 + i} +0000"}
        git(root, "commit", "--quiet", "--allow-empty", "-m", f"commit {i}", **at)
    return root


def git(root: Path, *words: str, **env: str) -> str:
    named = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *named, *words]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, env=os.environ | env).stdout


def commits(root: Path) -> list[str]:
    """Return the commits, oldest first."""
    return git(root, "rev-list", "--reverse", "main").split()


def smoke_records(root: Path, commit: str, i: int) -> Iterator[Record]:
    """Make what the smoke suite would write at the i-th commit: equal counts, seconds that wander by 3 %."""
    rng = random.Random(i)
    for planned in expand(read_suite(str(root / "suites" / "smoke.toml")).runs).trials:
        calls = CALLS * 3 // 2 if planned.trial.label == SLOWED and i >= 4 else CALLS
        made = factory.record(planned.trial, calls_to_target=calls, n_points=4, target=planned.task.target)
        assert made.spent is not None
        spent = replace(made.spent, time_s=made.spent.time_s * rng.uniform(0.97, 1.03))
        place = replace(factory.ENVIRONMENT, commit=commit, commit_at=1.7e9 + i)
        yield replace(made, spent=spent, environment=place, started_at=1.7e9 + 100 * i)


def runs_at(root: Path, i: int, store: Path) -> pd.DataFrame:
    for record in smoke_records(root, commits(root)[i], i):
        write(store, record)
    return load(store)


def some_runs(root: Path, store: Path) -> pd.DataFrame:
    """Two tasks, two optimizers and three seeds of the smoke suite, measured at the first commit."""
    runs = runs_at(root, 0, store)
    return runs[runs["task_name"].isin(["kink", "ackley"]) & runs["optimizer"].isin(["adam", "lbfgs"])]


def results_of(root: Path, report: PublishReport) -> dict[str, dict[str, object]]:
    """Return every results file that asv would read, by its name."""
    paths = (root / "results" / "asv").glob("*/*-py3*.json")
    assert report.n_files > 0
    return {path.name: json.loads(path.read_text()) for path in paths}


@pytest.mark.slow
def test_asv_finds_the_slower_optimizer_at_its_commit_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    hashes = commits(checkout)
    for i in range(len(hashes)):
        report = publish(runs_at(checkout, i, tmp_path / str(i)), root=checkout)
        assert (report.n_commits, report.n_files, report.left_out) == (1, 1, {})
    subprocess.run([sys.executable, "-m", "asv", "publish", "--no-pull"], cwd=checkout, check=True, capture_output=True)
    html = checkout / "results" / "html"
    for path in html.rglob("*.json"):
        strict_json(path)
    found = strict_json(html / "regressions.json")["regressions"]
    revision_of = {h: int(r) for r, h in strict_json(html / "index.json")["revision_to_hash"].items()}
    benchmarks = json.loads((checkout / "results" / "asv" / "benchmarks.json").read_text())
    affected = {
        f"{name}('{SLOWED}', 'fp64', 300)"
        for name, benchmark in benchmarks.items()
        if name.endswith((".track_calls", ".track_steps")) and f"'{SLOWED}'" in benchmark["params"][0]
    }
    assert affected
    assert {entry[0] for entry in found} == affected
    for *_, last, best, jumps in found:
        assert (last, best) == (pytest.approx(1.5 * CALLS), pytest.approx(CALLS))
        assert [jump[:2] for jump in jumps] == [[None, revision_of[hashes[4]]]]


def test_a_sample_per_seed_under_a_discoverable_name(checkout: Path, tmp_path: Path) -> None:
    runs = some_runs(checkout, tmp_path)
    (saved,) = results_of(checkout, publish(runs, root=checkout)).values()
    assert saved["python"] == "3.11"
    assert saved["params"] | {"machine": "a-processor-8-cores", "threads": "1"} == saved["params"]
    row = dict(zip(saved["result_columns"], saved["results"]["smoke.kink_dim_10.track_calls"], strict=False))
    optimizers = row["params"][0]
    filled = {o: samples for o, samples in zip(optimizers, row["samples"], strict=True) if samples is not None}
    assert filled == {"'adam'": [CALLS] * 3, "'lbfgs'": [CALLS] * 3}
    assert [math.isnan(r) for r in row["result"]] == [o not in filled for o in optimizers]


def test_publishing_twice_or_in_parts_gives_the_same_files(checkout: Path, tmp_path: Path) -> None:
    runs = some_runs(checkout, tmp_path)
    once = results_of(checkout, publish(runs, root=checkout))
    assert results_of(checkout, publish(runs, root=checkout)) == once
    shutil.rmtree(checkout / "results")
    for _, part in runs.groupby("optimizer"):
        report = publish(part, root=checkout)
    assert results_of(checkout, report) == once


def test_what_cannot_be_placed_is_left_out_with_its_reason(checkout: Path, tmp_path: Path) -> None:
    runs = some_runs(checkout, tmp_path).reset_index(drop=True)
    runs.loc[0, "commit"] = None
    runs.loc[1, "commit"] += "-dirty"
    runs.loc[2, "commit"] = "0" * 40
    runs.loc[3, "budget_calls"] = 301
    runs.loc[4, "task_version"] = 2
    report = publish(runs, root=checkout)
    assert report.n_records == len(runs) - 5
    assert report.left_out == {
        "it was not measured in a checkout": 1,
        "it was measured with uncommitted changes": 1,
        "its commit is not in this repository": 1,
        "no benchmark of suites/ has its task, version, optimizer, precision and budget": 2,
    }
    assert "  2 left out: no benchmark of suites/" in str(report)


def test_a_gpu_is_a_machine_of_its_own(checkout: Path, tmp_path: Path) -> None:
    runs = some_runs(checkout, tmp_path).assign(env_device="A GPU", driver="555.1")
    publish(runs, root=checkout)
    machine = json.loads((checkout / "results" / "asv" / "a-processor-8-cores-A-GPU" / "machine.json").read_text())
    assert (machine["gpu"], machine["driver"], machine["num_cpu"]) == ("A GPU", "555.1", "8")


def test_tracked_numbers_are_finite_and_worse_upwards() -> None:
    nan = float("nan")
    base = {"precision": "fp64", "budget_calls": 100, "budget_s": 60.0, "rungs": [0.1, 0.01], "headline": 0.01}
    base |= {"task": "t", "metric": "gap", "state_bytes": 8.0, "time_s": 2.0, "n_calls": 100.0, "step": 50.0}
    hit = {"hit_rung": [0.1, 0.01], "hit_n_grad": [10, 40], "hit_step": [5, 20], "final": 1e-9}
    miss = {"hit_rung": [0.1], "hit_n_grad": [10], "hit_step": [5], "final": 0.05}
    lost = {
        "hit_rung": [],
        "hit_n_grad": [],
        "hit_step": [],
        "step": nan,
        "final": nan,
        "time_s": nan,
        "n_calls": nan,
        "state_bytes": nan,
    }
    rows = [
        base | {"id": str(i), "optimizer": name, "seed": i} | of
        for i, (name, of) in enumerate([("a", hit), ("b", miss), ("c", lost), ("d", hit | {"metric": "accuracy"})])
    ]
    found = samples(pd.DataFrame(rows)).set_index("optimizer")[list(TRACKS)].to_dict("list")
    assert found["steps"] == [20.0, 200.0, 200.0, 20.0]
    assert found["calls"] == [40.0, 200.0, 200.0, 40.0]  # a miss: twice the budget
    assert found["failure_rate"] == [0.0, 1.0, 1.0, 0.0]
    assert found["final_gap"] == pytest.approx([0.01, 0.05, 1.0, nan], nan_ok=True)
    assert found["state_bytes"] == pytest.approx([8.0, 8.0, nan, 8.0], nan_ok=True)
    assert found["seconds_per_step"] == pytest.approx([0.04, 0.04, nan, 0.04], nan_ok=True)
    both = pd.DataFrame([row | {"optimizer": "a"} for row in rows[:2]])
    assert values(both)["t", "a", "fp64", 100, "failure_rate"] == 0.5


def test_labels_that_differ_have_names_that_differ() -> None:
    labels = ["t", "t[x=1]", "t[x=-1]", "t[x=1.0]", "t[x=1e-05]", "t[x=1e5]", "t[x=10]", "t[x=1,y=2]", "t[x='a b']"]
    names = [benchmark_name(label) for label in labels]
    assert len(set(names)) == len(labels)
    assert all(name.isidentifier() for name in names)


def test_every_trial_of_the_smoke_suite_has_a_benchmark() -> None:
    trials = [planned.trial for planned in expand(read_suite(str(PROJECT / "suites" / "smoke.toml")).runs).trials]
    assert trials
    for trial in trials:
        benchmark = getattr(smoke, benchmark_name(trial.task_label))
        assert (benchmark.task, benchmark.version) == (trial.task_label, str(trial.task_version))
        measured = (trial.label, trial.precision, trial.budget.n_calls)
        assert all(value in values for value, values in zip(measured, benchmark.params, strict=True))


def test_suites_import_neither_torch_nor_pandas() -> None:
    code = "import sys, suites.smoke; print(sorted({'torch', 'pandas', 'asv'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_without_asv_conf_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"asv\.conf\.json: no such file"):
        publish(pd.DataFrame(), root=tmp_path)


def test_without_asv_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("asv", "asv.config"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'rmobench\[track\]'"):
        publish(pd.DataFrame(), root=PROJECT)


@pytest.mark.slow
def test_asv_run_measures_the_suite_and_saves_it(checkout: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(checkout, root)
    (root / "suites" / "smoke.toml").write_text(
        'description = "tiny"\n[[runs]]\ntasks = ["rosenbrock[dim=2]"]\noptimizers = ["adam", "bfgs"]\n'
        "seeds = 2\nn_calls = 100\n"
    )
    env = os.environ | {"HOME": str(tmp_path)}  # asv keeps the machine's description there
    for words in (["machine", "--yes"], ["run", "--python=same", "--set-commit-hash", commits(root)[-1]]):
        command = [sys.executable, "-m", "asv", *words]
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    (saved,) = (root / "results" / "asv").glob("*/*-existing*.json")
    results = json.loads(saved.read_text())["results"]
    assert {name.rpartition("track_")[2] for name in results} == set(TRACKS)
    assert results["smoke.rosenbrock_dim_2.track_failure_rate"][0] == [1.0, 0.0]


def strict_json(path: Path) -> dict[str, object]:
    """Read JSON as a browser does: NaN and Infinity do not exist."""
    return json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{path}: {word} is not JSON"))
