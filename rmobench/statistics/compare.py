"""Did anything get worse? Two stores, entry by entry.

An entry is a (task, optimizer, precision); its trials are paired by seed, and only seeds that both stores have count.
It is worse when, at any rung of the ladder, fewer seeds reach it or the calls it takes grow by more than the tolerance
(geometric mean over the paired seeds; a miss costs twice the budget; a pair that misses in both says nothing), or when
its memory grows by more than BYTES_TOLERANCE. Counts and bytes decide; seconds only inform. An entry that is gone
counts as a failure of the gate, too: nothing gets faster by not being run.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from rmobench.errors import InputError
from rmobench.statistics.hits import PAIR, censored_log, costs, in_order, seconds_per

BYTES_TOLERANCE = 0.02
"""Growth of state or peak memory that is not worth a word."""


class Verdict(StrEnum):
    """What became of an entry, the worst first."""

    worse = "worse"
    missing = "missing"
    better = "better"
    new = "new"
    equal = "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry in both stores. Ratios are B / A; None: unknown, or nothing to compare."""

    task: str
    optimizer: str
    precision: str
    verdict: Verdict
    why: tuple[str, ...] = ()  # what decided
    n_seeds: int = 0  # in both stores
    hits_a: int | None = None  # of the paired seeds at the headline rung
    hits_b: int | None = None
    calls_ratio: float | None = None  # at the headline rung
    calls_ratio_worst: float | None = None  # over the rungs
    state_ratio: float | None = None
    peak_ratio: float | None = None
    pace_ratio: float | None = None  # seconds per call; informs only

    @property
    def gates(self) -> bool:
        """Say whether this entry fails the gate."""
        return self.verdict in (Verdict.worse, Verdict.missing)


def compare(runs_a: pd.DataFrame, runs_b: pd.DataFrame, *, tolerance: float = 0.05) -> tuple[Change, ...]:
    """Compare store B with store A.

    Args:
        runs_a: The store to measure against, one row per record.
        runs_b: The store to judge.
        tolerance: Growth of the calls that is still equal, as a fraction.

    Returns:
        Every entry of either store, the worst first.

    Raises:
        InputError: A store has no records, the budgets differ, or the tolerance is negative.
    """
    if tolerance < 0.0:
        raise InputError(f"got tolerance {tolerance!r}, expected a fraction of at least 0, such as 0.05.")
    _check_budgets(runs_a, runs_b)
    rungs, memory = _paired_rungs(runs_a, runs_b), _paired_medians(runs_a, runs_b).to_dict("index")
    changes: dict[_Key, Change] = {}
    for key, rows in groupby(rungs.to_dict("records"), key=itemgetter(*PAIR)):
        changes[key] = _change(key, list(rows), memory[key], tolerance)
    in_a, in_b = _entries(runs_a), _entries(runs_b)
    for key in in_a - changes.keys():
        why = "no seed and rung in common" if key in in_b else "not in B"
        changes[key] = Change(**_named(key), verdict=Verdict.missing, why=(why,))
    for key in in_b - changes.keys():
        changes[key] = Change(**_named(key), verdict=Verdict.new, why=("not in A",))
    worst_first = list(Verdict)
    return tuple(changes[key] for key in sorted(changes, key=lambda k: (worst_first.index(changes[k].verdict), k)))


def unpaired(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> int:
    """Count the trials of A whose task, optimizer, precision and seed B does not have."""
    in_b = set(runs_b[[*PAIR, "seed"]].itertuples(index=False, name=None))
    return sum(key not in in_b for key in runs_a[[*PAIR, "seed"]].itertuples(index=False, name=None))


def _check_budgets(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> None:
    """Refuse to compare trials of different budgets: a miss costs its budget."""
    named = (("a", runs_a), ("b", runs_b))
    budgets = [r.groupby([*PAIR, "seed"], observed=True)["budget_calls"].max().rename(n) for n, r in named]
    both = pd.concat(budgets, axis=1, join="inner")
    other = both[both["a"] != both["b"]].reset_index()
    if not other.empty:
        first = other.iloc[0]
        raise InputError(
            f"{len(other)} trials have other budgets in B than in A, e.g. {first['optimizer']} on {first['task']}: "
            f"{first['b']} calls against {first['a']}. Run both stores with the same --calls."
        )


_Key = tuple[str, str, str]  # precision, task, optimizer
_Rung = Mapping[Hashable, Any]  # a row of _paired_rungs


def _entries(runs: pd.DataFrame) -> set[_Key]:
    return set(runs[PAIR].drop_duplicates().itertuples(index=False, name=None))


def _named(key: _Key) -> dict[str, Any]:
    return dict(zip(PAIR, key, strict=True))


def _paired(a: pd.DataFrame, b: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Join two tables on the keys; the entry's columns as plain strings."""
    plain = dict.fromkeys(PAIR, object)
    return a.astype(plain).merge(b.astype(plain), on=keys, suffixes=("_a", "_b"))


def _paired_rungs(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> pd.DataFrame:
    """Return one row per entry and rung: headline, n_seeds, hits_a, hits_b and ratio of the calls B / A."""
    pairs = _paired(_per_seed(runs_a), _per_seed(runs_b), [*PAIR, "seed", "rung"])
    told = pairs["hit_a"] | pairs["hit_b"]
    pairs["log_ratio"] = (pairs["log_b"] - pairs["log_a"]).where(told, 0.0)
    table = pairs.groupby([*PAIR, "rung"], as_index=False).agg(
        headline=("headline_a", "first"),
        n_seeds=("seed", "size"),
        hits_a=("hit_a", "sum"),
        hits_b=("hit_b", "sum"),
        log_ratio=("log_ratio", "mean"),
    )
    table["ratio"] = np.exp(table.pop("log_ratio"))
    return table


def _per_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per entry, seed and rung; a repeated seed hits if all its trials do."""
    table = costs(runs, axis="n_grad")
    table["log"] = censored_log(table)
    groups = table.groupby([*PAIR, "seed", "rung"], observed=True, as_index=False)
    return groups.agg(headline=("headline", "first"), hit=("hit", "all"), log=("log", "mean"))


def _paired_medians(runs_a: pd.DataFrame, runs_b: pd.DataFrame) -> pd.DataFrame:
    """Return the ratios B / A of the medians over the paired seeds, by entry: state, peak and pace; NaN: unknown."""
    pairs = _paired(_facts(runs_a), _facts(runs_b), [*PAIR, "seed"])
    medians = pairs.drop(columns="seed").groupby(PAIR).median()
    return pd.DataFrame(
        {name: _growth(medians[f"{name}_a"], medians[f"{name}_b"]) for name in ("state", "peak", "pace")}
    )


def _facts(runs: pd.DataFrame) -> pd.DataFrame:
    runs = in_order(runs)
    table = runs[[*PAIR, "seed"]].assign(pace=seconds_per(runs, "n_calls"))
    for name in ("state", "peak"):
        table[name] = pd.to_numeric(runs[f"{name}_bytes"]).astype(float)
    return table


def _growth(a: pd.Series, b: pd.Series) -> pd.Series:
    """Return b / a; nothing from nothing is 1."""
    return (b / a.where(a > 0.0, np.nan)).where(a != 0.0, np.where(b > 0.0, np.inf, 1.0)).where(b.notna() & a.notna())


def _change(key: _Key, rungs: list[_Rung], memory: Mapping[Hashable, float], tolerance: float) -> Change:
    """Judge one entry by its rungs and its memory."""
    signs = list(_signs(rungs, memory, tolerance))
    worse = tuple(text for is_worse, text in signs if is_worse)
    better = tuple(text for is_worse, text in signs if not is_worse)
    first = next((row for row in rungs if row["headline"]), rungs[0])
    return Change(
        **_named(key),
        verdict=Verdict.worse if worse else Verdict.better if better else Verdict.equal,
        why=worse or better,
        n_seeds=max(row["n_seeds"] for row in rungs),
        hits_a=first["hits_a"],
        hits_b=first["hits_b"],
        calls_ratio=first["ratio"],
        calls_ratio_worst=max(row["ratio"] for row in rungs),
        state_ratio=_known(memory["state"]),
        peak_ratio=_known(memory["peak"]),
        pace_ratio=_known(memory["pace"]),
    )


def _known(ratio: float) -> float | None:
    return None if np.isnan(ratio) else float(ratio)


def _signs(rungs: list[_Rung], memory: Mapping[Hashable, float], tolerance: float) -> Iterator[tuple[bool, str]]:
    """Yield what changed beyond the tolerances: is it worse, and how it reads."""
    for row in rungs:
        if row["hits_a"] != row["hits_b"]:
            yield row["hits_b"] < row["hits_a"], f"hits at {row['rung']:g}: {row['hits_a']} -> {row['hits_b']}"
        if not 1.0 / (1.0 + tolerance) <= row["ratio"] <= 1.0 + tolerance:
            yield row["ratio"] > 1.0, f"calls to {row['rung']:g}: x {row['ratio']:.3g}"
    for name in ("state", "peak"):
        if abs(memory[name] - 1.0) > BYTES_TOLERANCE:  # NaN: unknown, no sign
            yield memory[name] > 1.0, f"{name}_bytes: x {memory[name]:.3g}"
