from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rmobench.store import compact, load, write
from rmobench.types import Hit, Point, Record, Status, Target
from tests.store import factory

COLUMNS = [
    "id",
    "task",
    "task_name",
    "task_version",
    "family",
    "optimizer",
    "optimizer_name",
    "precision",
    "device",
    "seed",
    "status",
    "error",
    "metric",
    "mode",
    "headline",
    "rungs",
    "budget_calls",
    "budget_s",
    "step",
    "n_calls",
    "time_s",
    "final",
    "residual",
    "accuracy",
    "hit_rung",
    "hit_step",
    "hit_n_grad",
    "hit_time_s",
    "setup_s",
    "compile_s",
    "judge_s",
    "n_params",
    "model_bytes",
    "state_bytes",
    "peak_bytes",
    "upcast",
    "diagnostics",
    "machine",
    "env_device",
    "threads",
    "jobs",
    "torch",
    "python",
    "driver",
    "commit",
    "commit_at",
    "started_at",
]
TRACE = ["trace_step", "trace_n_grad", "trace_time_s", "trace_metric", "trace_residual", "trace_sha256"]

ACCURACY = Target(metric="accuracy", rungs=(0.5, 0.9), headline=0.9, mode="max")
START = Point(step=0, n_loss=0, n_grad=0, n_hvp=0, time_s=0.0, metrics={"accuracy": 0.1, "residual": 0.0})
END = Point(step=2, n_loss=3, n_grad=4, n_hvp=5, time_s=0.5, metrics={"accuracy": None, "residual": 1e-9})


@pytest.fixture(params=["json", "parquet", "mixed"])
def three(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A full record, one for another metric, and one of a process that died; without and with their traces."""
    for i, record in enumerate((full(), classified(), killed())):
        write(tmp_path, record)
        if (request.param, i) in {("parquet", 2), ("mixed", 1)}:
            compact(tmp_path)
    plain, traced = (load(tmp_path, trace=trace).set_index("seed", drop=False) for trace in (False, True))
    return plain, traced


def full() -> Record:
    return factory.record(factory.trial(seed=0), n_points=6, peak_bytes=7)


def classified() -> Record:
    plan = factory.trial("digits", seed=1, label="", args={})
    hits = (Hit(rung=0.5, point=END),)
    return factory.record(plan, n_points=0, target=ACCURACY, trace=(START, END), hits=hits, spent=END)


def killed() -> Record:
    lost = dict.fromkeys(("spent", "setup_s", "n_params", "environment", "trace_sha256"))
    return factory.record(factory.trial(seed=2), n_points=0, hits=(), status=Status.killed, error="exit code 9", **lost)


def test_columns_are_those_of_the_readme(three: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    plain, traced = three
    assert list(plain.columns) == COLUMNS
    assert list(traced.columns) == COLUMNS + TRACE
    assert list(plain["id"]) == sorted(plain["id"])
    readme = (Path(__file__).parents[2] / "rmobench" / "store" / "README.md").read_text()
    assert [name for name in COLUMNS + TRACE if f"`{name}`" not in readme] == []


def test_values_are_those_of_the_record(three: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    row, record = three[0].loc[0], full()
    assert record.spent is not None
    assert (row["task"], row["task_name"], row["optimizer"]) == ("rosenbrock[dim=2]", "rosenbrock", "adam[lr=0.01]")
    assert (row["rungs"], row["headline"], row["mode"]) == (list(record.target.rungs), record.target.headline, "min")
    assert row["final"] == record.spent.metrics["gap"]
    assert row["hit_rung"].tolist() == [h.rung for h in record.hits]
    assert row["hit_time_s"].tolist() == [h.point.time_s for h in record.hits]
    assert (row["commit"], row["commit_at"], row["python"]) == (factory.ENVIRONMENT.commit, 1.7e9, "3.11.9")
    assert (row["peak_bytes"], row["threads"], row["jobs"]) == (7, 1, 2)


def test_every_oracle_call_counts_and_each_task_has_its_own_metric(three: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    row = three[1].loc[1]
    assert (row["task"], row["optimizer"], row["metric"], row["mode"]) == ("digits", "adam", "accuracy", "max")
    assert (row["n_calls"], row["step"], row["residual"]) == (12, 2, 1e-9)
    assert np.isnan(row["final"])
    assert (row["hit_n_grad"].tolist(), row["hit_step"].tolist()) == ([12], [2])
    assert row["trace_n_grad"].tolist() == [0, 12]
    np.testing.assert_array_equal(row["trace_metric"], [0.1, np.nan])
    np.testing.assert_array_equal(row["trace_residual"], [0.0, 1e-9])


def test_what_is_unknown_is_missing(three: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    row = three[1].loc[2]
    unknown = ["step", "n_calls", "time_s", "final", "residual", "setup_s", "n_params", "machine", "torch", "commit"]
    assert row[[*unknown, "commit_at", "jobs", "driver", "trace_sha256", "upcast"]].isna().all()
    assert (row["status"], row["error"]) == ("killed", "exit code 9")
    assert [len(row[name]) for name in ("hit_rung", "hit_step", "hit_n_grad", "trace_step", "trace_residual")] == [
        0
    ] * 5


def test_no_matching_id_gives_the_same_columns(tmp_path: Path) -> None:
    write(tmp_path, full())
    for trace in (False, True):
        found, empty = load(tmp_path, trace=trace), load(tmp_path, ids=["0" * 64], trace=trace)
        assert list(empty.columns) == list(found.columns)
        assert len(empty) == 0


def test_order_does_not_depend_on_how_it_is_stored(tmp_path: Path) -> None:
    made = list(factory.records(30, n_points=3))
    for record in made:
        write(tmp_path / "a", record)
    for record in reversed(made):
        write(tmp_path / "b", replace(record, started_at=record.started_at))
        if record.trial.seed % 7 == 0:
            compact(tmp_path / "b")
    pd.testing.assert_frame_equal(load(tmp_path / "a", trace=True), load(str(tmp_path / "b"), trace=True))
