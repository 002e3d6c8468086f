"""From a store and a suite to evidence: labels, gaps, curves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rmobench.claims import Claim, Evidence, Finding, Verdict, draw, examine, gather
from rmobench.claims.evidence import METATRAINING, labelled_runs
from rmobench.claims.metatraining import read_curves
from rmobench.errors import CorruptRecordError, StoreError
from rmobench.harness.suite import expand, read_suite
from rmobench.store import export_parquet, write
from rmobench.types import Trial
from tests.claims.cases import cell
from tests.statistics.records import table
from tests.store.factory import record

SUITE = """
description = "one cell, two labels of one trial"
[[runs]]
tasks = ["unit_box[function=sphere,dim=2]"]
optimizers = ["bfgs", "adam_tuned_once = adam[lr=0.1]", "adam_tuned = adam[lr=0.1]"]
seeds = 2
n_calls = 500
"""
LABELS = {"bfgs", "adam_tuned_once", "adam_tuned"}
RUN = {"architecture": "optimus", "recipe": "short", "recipe_sha256": "0" * 64, "seed": 1, "curve": [[100, 2.5, -1.0]]}


@pytest.fixture
def suite(tmp_path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


def planned(suite: Path) -> list[Trial]:
    return [p.trial for p in expand(read_suite(str(suite)).runs).trials]


def needing(*suites: object, **fields: object) -> Claim:
    words = dict.fromkeys(("name", "source", "statement", "measurement", "not_covered"), "")
    return Claim(**words, suites=tuple(map(str, suites)), measure=lambda _: Finding(n_records=7), **fields)


def test_a_trial_with_two_labels_counts_for_both(tmp_path, suite):
    """The record carries one of the labels; the plan of the whole suite drops the other."""
    store = tmp_path / "store"
    assert len({trial.label for trial in planned(suite)}) == 2
    for trial in planned(suite):
        write(store, record(trial))
    runs = labelled_runs(store, str(suite))
    assert {label: set(group["seed"]) for label, group in runs.groupby("optimizer")} == {n: {0, 1} for n in LABELS}
    ids = runs.groupby("optimizer")["id"].agg(set)
    assert ids["adam_tuned"] == ids["adam_tuned_once"] != ids["bfgs"]


def test_a_file_named_like_the_suite_is_read_before_the_folder(tmp_path, suite):
    trials = planned(suite)
    for trial in trials:
        write(tmp_path / "store", record(trial))
    export_parquet(tmp_path / "store", tmp_path / "reference" / "mine.parquet", ids={t.id for t in trials})
    assert len(labelled_runs(tmp_path / "reference", str(suite))) == 6
    export_parquet(tmp_path / "store", tmp_path / "store" / "mine.parquet", ids={trials[0].id})
    assert len(labelled_runs(tmp_path / "store", str(suite))) < 6


def test_every_planned_trial_is_needed(tmp_path, suite):
    store, claim = tmp_path / "store", needing(suite)
    *first, last = sorted(planned(suite), key=lambda trial: trial.label == "bfgs")
    for trial in first:
        write(store, record(trial))
    found = examine(claim, gather([claim], store))
    assert (found.verdict, found.measures, found.n_records) == (Verdict.undecided, (), 0)
    assert found.notes[0].startswith("1 of the 6 planned trials of")
    assert f"`rmobench run {suite} --export results/reference` makes them" in found.notes[0]
    write(store, record(last))
    assert examine(claim, gather([claim], store)).n_records == 7


def test_records_of_other_weights_or_versions_drop_out(tmp_path, suite):
    store = tmp_path / "store"
    for trial in planned(suite):
        write(store, record(replace(trial, weights_sha256="0" * 64)))
    assert labelled_runs(store, str(suite)).empty
    assert str(suite) in gather([needing(suite)], store).gaps


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_store_without_records_is_a_gap(tmp_path, suite, name):
    (tmp_path / "empty").mkdir()
    assert "6 of the 6 planned trials" in gather([needing(suite)], tmp_path / name).gaps[str(suite)]


def test_a_damaged_store_is_no_gap(tmp_path, suite):
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptRecordError, match="mine"):
        gather([needing(suite)], tmp_path)


@pytest.mark.parametrize(
    ("name", "words"), [("optimus_nothing", "optimus_nothing"), ("nothing_bf16", "nothing --precision bf16")]
)
def test_a_tuned_suite_that_is_not_written_names_its_command(tmp_path, name, words):
    gap = next(iter(gather([needing(f"{name}_tuned")], tmp_path).gaps.values()))
    assert f"`rmobench tune {words} --optimizer NAME ... --out suites/{name}_tuned.toml`" in gap


def test_a_label_that_must_be_there_and_is_not_is_said():
    evidence = Evidence(runs={"mine": table(cell("bfgs", 10))})
    found = examine(needing("mine", optimizers=("bfgs", "optimus")), evidence)
    assert (found.verdict, len(found.notes)) == (Verdict.undecided, 1)
    assert found.notes[0].startswith("no trials of optimus in mine")


def test_a_figure_needs_what_its_claim_needs():
    def figure(_: Evidence) -> None:
        raise AssertionError

    assert draw(needing("mine", figure=figure), Evidence(runs={}, gaps={"mine": "missing"})) is None
    assert draw(needing("mine"), Evidence(runs={"mine": table(cell("bfgs", 10))})) is None


def test_what_several_suites_have_in_common_counts_once():
    rows = table(cell("bfgs", 10), cell("bfgs", 20, dim=50, seed=1))
    joined = Evidence(runs={"a": rows, "b": rows.iloc[:1]}).joined("a", "b", "not there")
    assert joined[["function", "dim"]].to_numpy().tolist() == [["sphere", 2], ["sphere", 50]]


def test_curves_are_read(tmp_path):
    claim = needing(metatraining=True)
    assert METATRAINING in gather([claim], tmp_path).gaps
    assert "metatraining.json: no such file" in examine(claim, gather([claim], tmp_path)).notes[0]
    (tmp_path / "metatraining.json").write_text(json.dumps([RUN, RUN | {"seed": 2}]))
    evidence = gather([claim], tmp_path)
    assert [run.seed for run in evidence.curves] == [1, 2]
    assert evidence.curves[0].curve == ((100, 2.5, -1.0),)
    assert METATRAINING not in evidence.gaps


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "truncated"),
        ({"runs": []}, "Expected `array`"),
        ([RUN | {"note": 1}], "unknown field `note`"),
        ([{k: v for k, v in RUN.items() if k != "seed"}], "missing required field `seed`"),
        ([RUN | {"curve": [[100, 1.0]]}], "length 3"),
        ([RUN | {"curve": [[100, 1.0, None]]}], "Expected `float`"),
        ([RUN, RUN], "short of seed 1 is there more than once"),
        ([RUN | {"curve": []}], r"got outer steps \[\]"),
        ([RUN | {"curve": [[200, 1.0, -1.0], [100, 2.0, -2.0]]}], r"got outer steps \[200, 100\]"),
    ],
)
def test_a_file_of_curves_that_is_none_is_refused(tmp_path, content, message):
    path = tmp_path / "metatraining.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(StoreError, match=message):
        read_curves(path)
