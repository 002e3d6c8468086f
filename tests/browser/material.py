"""What a page is made of, from synthetic records of any number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rmobench.claims import Claim, Finding, Measure
from rmobench.report.page import ALL, Clip, Material, board_of, selections
from rmobench.statistics import Search, robustness
from rmobench.types import Interval, Skip
from tests.benchmarks import synthetic

FAMILIES = ("analytic", "covariance")
ILL = ("kink", "plateau")


def records(*, n_tasks: int, n_optimizers: int, n_seeds: int) -> pd.DataFrame:
    """Return two precisions and two families; the last optimizer is tuned, the first tasks are pathologies."""
    parts = []
    for i, precision in enumerate(("fp64", "bf16")):
        runs = synthetic.runs(n_tasks=n_tasks, n_optimizers=n_optimizers, n_seeds=n_seeds, seed=i)
        runs["id"] = [f"{precision}/{id_}" for id_ in runs["id"]]
        runs["precision"] = precision
        parts.append(runs)
    runs = pd.concat(parts, ignore_index=True)
    number = runs["task_name"].str.removeprefix("task").astype(int)
    runs["family"] = np.array(FAMILIES)[number % len(FAMILIES)]
    for i, name in enumerate(ILL):
        mine = runs["task_name"] == f"task{i}"
        runs.loc[mine, ["task_name", "task"]] = [name, f"{name}[dim=10]"]
    last = f"method{n_optimizers - 1}"
    runs.loc[runs["optimizer"] == last, "optimizer"] = f"{last}_tuned"
    return _traced(runs)


def _traced(runs: pd.DataFrame, n_points: int = 40) -> pd.DataFrame:
    """Give every record a trace that falls to its end."""
    ends = np.maximum(runs["n_calls"].to_numpy(float), 2.0)
    grids = [np.unique(np.r_[0.0, np.round(np.geomspace(1.0, end, n_points))]) for end in ends]
    return runs.assign(
        trace_n_grad=grids,
        trace_step=[grid / 2.0 for grid in grids],
        trace_time_s=[grid * 1e-4 for grid in grids],
        trace_metric=[10.0 ** (-9.0 * grid / grid[-1]) for grid in grids],
        trace_residual=[np.zeros_like(grid) for grid in grids],
        diagnostics=[{}] * len(runs),
    )


def material(runs: pd.DataFrame, *, png: bytes = b"") -> Material:
    """Return everything of a page: boards, precisions, a skip, and a claim."""
    return Material(
        runs=runs,
        boards=[found for selection in selections(suites(runs)) for found in board_of(selection)],
        precisions={"half": robustness(runs[runs["family"] == FAMILIES[0]])},
        skips=[Skip(task="kink", optimizer="bfgs", precision="fp64", reason="</script> is <b>only</b> text")],
        judged=[(CLAIM, FOUND)],
        figures={"a_claim": png} if png else {},
        poses=[CLIP],
        searches=[SEARCH],
    )


def suites(runs: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return all records, and those of one family as a suite."""
    return {ALL: runs, "half": runs[runs["family"] == FAMILIES[0]]}


SEARCH = Search(
    optimizer="adam", n_settings=4, n_tasks=2, k=(1, 2, 4), by_task=(20.0, 14.0, 10.0), once=(22.0, 20.0, 19.0)
)

CLIP = Clip(
    name="a nod",
    fps=2.0,
    bones=((0, 1),),
    reference=(((0.0, 0.0, 1.0), (0.0, 0.0, 1.7)), ((0.0, 0.0, 1.0), (0.3, 0.0, 1.6))),
    fits={"adam": (((0.0, 0.0, 1.0), (0.1, 0.0, 1.7)), ((0.0, 0.0, 1.0), (0.4, 0.0, 1.6)))},
)

CLAIM = Claim(
    name="a_claim",
    source="Somebody 2020",
    statement="It is faster.",
    measurement="By counting.",
    not_covered="Everything else.",
    measure=lambda evidence: FOUND,
    suites=("half",),
)
FOUND = Finding(
    measures=(
        Measure(
            name="ratio",
            value=Interval(value=0.5, low=0.4, high=0.6),
            unit="of the calls",
            threshold=1.0,
            wants="below",
        ),
    ),
    n_records=7,
    notes=("A note <i>as text</i>.",),
)
