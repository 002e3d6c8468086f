"""Records -> asv's results: a point per commit, a sample per seed, under the names of the benchmarks in suites/.

The only module that touches asv's internal API, which is why asv is pinned to >= 0.6.6, < 0.7 and a test publishes for
real. asv is imported by the functions that need it: everything else works without it.
"""

from __future__ import annotations

import ast
import itertools
import json
import math
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmobench.errors import InputError, MissingDependencyError
from rmobench.report.tracks import TRACKS, benchmark_name, samples

if TYPE_CHECKING:
    import pandas as pd

PLACE = ["commit", "machine", "env_device", "threads", "torch", "python"]
"""What makes a results file of asv; all but the commit make a curve of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What was imported, and why the rest was not."""

    results_dir: Path
    n_records: int
    n_commits: int
    n_files: int
    left_out: Mapping[str, int]  # reason -> number of records

    def __str__(self) -> str:
        """Say it in a few lines."""
        done = f"{self.n_records} records of {self.n_commits} commits -> {self.n_files} files in {self.results_dir}"
        rest = [f"  {n} left out: {reason}" for reason, n in sorted(self.left_out.items())]
        return "\n".join([done, *rest, "`asv publish` draws the curves, `asv preview` shows them."])


def publish(runs: pd.DataFrame, *, root: Path) -> PublishReport:
    """Import records into asv's results folder; cells that are there already are updated, the others stay.

    Args:
        runs: One row per record.
        root: Folder of asv.conf.json, a checkout of the repository that the records' commits are from.

    Raises:
        InputError: There is no asv.conf.json, or its benchmarks cannot be discovered.
        MissingDependencyError: asv is not installed.
    """
    conf = _config(root)
    from asv.repo import get_repo

    repo, benchmarks = get_repo(conf), _discover(conf, root)
    reason = _why_left_out(runs, repo, benchmarks)
    kept = runs[reason == ""]
    files = {_import(group, Path(conf.results_dir), repo, benchmarks) for _, group in kept.groupby(PLACE)}
    return PublishReport(
        results_dir=Path(conf.results_dir),
        n_records=len(kept),
        n_commits=kept["commit"].nunique(),
        n_files=len(files),
        left_out=Counter(reason[reason != ""].tolist()),
    )


def _config(root: Path) -> Any:
    """Load asv's configuration with its paths made absolute."""
    try:
        from asv.config import Config
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "publishing needs the package 'asv', which is not installed: pip install 'rmobench[track]'."
        ) from error
    path = root / "asv.conf.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file. Run this in a checkout of rmobench, or give its folder as --root.")
    conf = Config.load(str(path))
    for name in ("repo", "benchmark_dir", "results_dir", "html_dir"):
        setattr(conf, name, str((root / getattr(conf, name)).resolve()))
    return conf


def _discover(conf: Any, root: Path) -> Any:
    """List the benchmarks in a process of their own and write benchmarks.json: asv shows only what is in it."""
    from asv.benchmarks import Benchmarks
    from asv.runner import BENCHMARK_RUN_SCRIPT

    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "benchmarks.json"
        command = [sys.executable, BENCHMARK_RUN_SCRIPT, "discover", conf.benchmark_dir, str(listing)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:]
            raise InputError(f"{conf.benchmark_dir}: the benchmarks cannot be discovered: {' '.join(last)}")
        found = Benchmarks(conf, json.loads(listing.read_text(encoding="utf-8")))
    found.save()
    return found


def _why_left_out(runs: pd.DataFrame, repo: Any, benchmarks: Any) -> pd.Series[Any]:
    """Return for each record why it cannot be published, "" if it can."""
    commit = runs["commit"].fillna("").astype(str)
    known = repo.get_revisions(set(commit))
    cells = _cells(benchmarks)
    reason = commit.map(lambda c: "" if c in known else "its commit is not in this repository")
    reason[commit.str.endswith("-dirty")] = "it was measured with uncommitted changes"
    reason[commit == ""] = "it was not measured in a checkout"
    columns = zip(*(runs[c] for c in ("task", "task_version", "optimizer", "precision", "budget_calls")), strict=True)
    unfit = [
        (benchmark_name(task), str(version), optimizer, precision, budget) not in cells
        for task, version, optimizer, precision, budget in columns
    ]
    reason[unfit] = "no benchmark of suites/ has its task, version, optimizer, precision and budget"
    return reason


def _cells(benchmarks: Any) -> set[tuple[str, str, str, str, int]]:
    """Return everything that the benchmarks can show: class, version, optimizer, precision, budget."""
    return {
        (name.split(".")[-2], benchmark["version"], *combination)
        for name, benchmark in benchmarks.items()
        for combination in _combinations(benchmark)
    }


def _combinations(benchmark: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the parameter combinations in asv's order; asv keeps them as their repr."""
    return itertools.product(*([ast.literal_eval(text) for text in values] for values in benchmark["params"]))


def _import(runs: pd.DataFrame, results_dir: Path, repo: Any, benchmarks: Any) -> tuple[str, str, str]:
    """Write the results file of one commit and place; return machine, commit and environment, which name it."""
    from asv.results import Results

    last = runs.sort_values("started_at").iloc[-1]
    machine, commit = _save_machine(last, results_dir), last["commit"]
    python = ".".join(last["python"].split(".")[:2])
    place = {"device": last["env_device"], "threads": str(last["threads"]), "torch": last["torch"]}
    env_name = _slug(f"py{python}", *(f"{key}-{value}" for key, value in place.items()))
    params = {"machine": machine, "python": python, **place}
    results = Results(params, {}, commit, repo.get_date(commit), python, env_name, {})
    results.load_data(str(results_dir))
    _add(results, runs, benchmarks, datetime.fromtimestamp(last["started_at"], UTC))
    results.save(str(results_dir))
    return machine, commit, env_name


def _save_machine(last: pd.Series[Any], results_dir: Path) -> str:
    """Write machine.json and return the machine's name; a GPU makes another machine of the same host."""
    from asv.machine import Machine
    from asv.util import write_json

    text, device = last["machine"], last["env_device"]
    gpu = "" if text.startswith(device) else device
    name = _slug(text, gpu)
    cores = re.search(r"(\d+) cores", text)
    facts = {
        "machine": name,
        "cpu": text,
        "num_cpu": cores[1] if cores else "",
        "gpu": gpu,
        "driver": last["driver"] if isinstance(last["driver"], str) else "",
        **dict.fromkeys(("os", "arch", "ram"), ""),
    }
    write_json(str(results_dir / name / "machine.json"), facts, Machine.api_version)
    return name


def _slug(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-") for part in parts if part)


def _add(results: Any, runs: pd.DataFrame, benchmarks: Any, started_at: datetime) -> None:
    """Add every tracked number of every cell; asv computes the median and its interval from the samples."""
    from asv.runner import BenchmarkResult

    for task, table in samples(_newest(runs)).groupby("task"):
        cells = dict(iter(table.groupby(["optimizer", "precision", "budget"])))
        for name, benchmark in benchmarks.items():
            if name.split(".")[-2] != benchmark_name(str(task)):
                continue
            track = name.rpartition("track_")[2]
            found = {i: cells[c][track].dropna().tolist() for i, c in enumerate(_combinations(benchmark)) if c in cells}
            size = math.prod(map(len, benchmark["params"]))
            values, told, number = _asv_values([found.get(i, []) for i in range(size)], TRACKS[track].over_seeds)
            result = BenchmarkResult(values, told, number, 0, "", None)
            results.add_result(benchmark, result, started_at=started_at, record_samples=True, selected_idx=set(found))


def _newest(runs: pd.DataFrame) -> pd.DataFrame:
    """Of records that differ only in the optimizer's version, keep the newest: one sample per seed."""
    same = ["task", "optimizer", "precision", "budget_calls", "seed"]
    return runs.sort_values("started_at", kind="stable").drop_duplicates(same, keep="last")


def _asv_values(
    cells: list[list[float]], over_seeds: str
) -> tuple[list[float], list[list[float] | None], list[int | None]]:
    """Return asv's result, samples and number; a mean goes without samples, of which asv would take the median."""
    mean = [sum(cell) / len(cell) if cell else math.nan for cell in cells]
    if over_seeds == "mean":
        return mean, [None] * len(cells), [None] * len(cells)
    return mean, [cell or None for cell in cells], [1 if cell else None for cell in cells]
