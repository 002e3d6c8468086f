"""What claims are measured on, read once: records by suite, curves of meta-training, what was trained on.

A record carries one label, and two labels of a suite can be the same trial: where the setting that is best on a task is
also the best over all tasks, adam_tuned and adam_tuned_once have one id. So records are found by expanding the suite,
not by their labels. The id holds the hash of a learned optimizer's weights: records of other weights drop out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from rmobench.claims.claim import Claim
from rmobench.claims.metatraining import Curve, read_curves
from rmobench.errors import UnknownNameError
from rmobench.harness.suite import expand, read_suite
from rmobench.registry import parse_selector
from rmobench.statistics import named
from rmobench.store import load
from rmobench.types import PRECISIONS

METATRAINING = "metatraining"
"""Name of the file of curves, and of its gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that claims are measured on."""

    runs: Mapping[str, pd.DataFrame]  # by suite: a row per (label, trial), every planned trial
    gaps: Mapping[str, str] = field(default_factory=dict)  # what has records missing -> how to get them
    curves: tuple[Curve, ...] = ()
    trained_on: tuple[str, ...] = ()  # functions that the instances of meta-training came from

    def joined(self, *suites: str) -> pd.DataFrame:
        """Return the records of several suites, of those that are there, with the columns function and dim."""
        tables = [self.runs[name] for name in suites if name in self.runs]
        runs = pd.concat(tables, ignore_index=True).drop_duplicates(["optimizer", "id"], ignore_index=True)
        params = {task: parse_selector(task)[1] for task in runs["task"].unique()}
        return runs.join(pd.DataFrame([params[task] for task in runs["task"]], columns=["function", "dim"]))


def gather(claims: Iterable[Claim], store: Path) -> Evidence:
    """Read what claims need.

    Args:
        claims: To be examined.
        store: Folder of SUITE.parquet files, or any store.

    Raises:
        StoreError: A file is damaged, or newer than this program.
        SuiteError: A suite is malformed.
    """
    claims = tuple(claims)
    runs: dict[str, pd.DataFrame] = {}
    gaps: dict[str, str] = {}
    traced = {name for claim in claims if claim.trace for name in (*claim.suites, *claim.figure_suites)}
    for name in dict.fromkeys(name for claim in claims for name in (*claim.suites, *claim.figure_suites)):
        found = _whole(store, name, trace=name in traced)
        if isinstance(found, str):
            gaps[name] = found
        else:
            runs[name] = found
    curves: tuple[Curve, ...] = ()
    path = store / f"{METATRAINING}.json"
    if path.is_file():
        curves = read_curves(path)
    else:
        gaps[METATRAINING] = (
            f"{path}: no such file; `rmobench metatrain optimus_short --seed 1 --curves {path}` begins it, other seeds "
            "and adafactor_mlp_short go on."
        )
    return Evidence(runs=runs, gaps=gaps, curves=curves, trained_on=_trained_on() if runs else ())


def _whole(store: Path, name: str, *, trace: bool) -> pd.DataFrame | str:
    """Return a suite's records, or in words what is missing."""
    try:
        suite = read_suite(name)
    except UnknownNameError:
        base = name.removesuffix("_tuned")
        at = next((p for p in PRECISIONS if base.endswith(f"_{p}")), None)
        words = f"{base.removesuffix(f'_{at}')} --precision {at}" if at else base
        makes = f"`rmobench tune {words} --optimizer NAME ... --out suites/{name}.toml` writes it"
        return f"no suite named {name}" + (f"; {makes}." if base != name else ".")
    n_planned = len(expand(suite.runs).labels)
    runs = labelled_runs(store, name, trace=trace)
    if runs.empty or len(runs) < n_planned:
        return (
            f"{n_planned - len(runs)} of the {n_planned} planned trials of {name} have no record in {store}: "
            f"`rmobench run {name} --export results/reference` makes them."
        )
    return runs


def labelled_runs(store: Path, suite: str, *, trace: bool = False) -> pd.DataFrame:
    """Return the records of a suite's trials, one row per (label, trial).

    Args:
        store: Folder of SUITE.parquet files, or any store.
        suite: Its name, or the path of a .toml file.
        trace: With the judged points on the way.

    Returns:
        The store's columns; `optimizer` is the label in the suite, in whose order the rows are.

    Raises:
        StoreError: A record is damaged, or newer than this program.
    """
    read = read_suite(suite)
    plan = expand(read.runs)
    file = store / f"{read.name}.parquet"
    if file.is_file():
        return named(load(file, trace=trace), plan.labels)
    if any(store.glob("*.parquet")) or any(store.glob("??/*.json")):
        return named(load(store, ids=plan.ids, trace=trace), plan.labels)
    return pd.DataFrame(columns=["optimizer", "id"])


def _trained_on() -> tuple[str, ...]:
    from rmobench.metatrain.function_recipe import FunctionRecipe  # brings torch
    from rmobench.metatrain.recipe import read_recipe

    file = read_recipe("optimus").file
    assert isinstance(file, FunctionRecipe)
    return file.functions
