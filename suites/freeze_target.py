r"""Freeze the target of a stochastic task: what a tuned baseline reaches, written with its provenance.

    python -m suites.freeze_target orthogonal_cnn                     # the target: tuned, five seeds
    python -m suites.freeze_target orthogonal_cnn --baseline 'rsgd[lr=0.1,momentum=0.9]' --points 0 --seeds 1
    python -m suites.freeze_target byte_gpt --language \
        --baseline 'factor_adam[lr=0.003]' --baseline 'factor_adam[lr=0.01]' --baseline 'factor_adam[lr=0.03]'

The rungs are the medians, over seeds, of the value at which the baseline ends with 1/16, 1/8, 1/4, 1/2 and all of the
task's budget, rounded up to two digits; the headline is what half of the budget reaches. Language models, whose loss
falls by little, have 1/4, 1/2, 3/4 (the headline), all and twice the budget, and four digits; their trials are judged
at these shares, so that one trial tells all. Of several baselines the best on tuning seeds counts. They go into the
task's decorator by hand, with a new version of the task; a test compares. asv imports every module of this folder, so
this one imports no torch.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from rmobench.harness.plan import Planned, plan
from rmobench.harness.sweep import sweep
from rmobench.harness.tuning import FIRST_SEED, points, tunable
from rmobench.registry import ChosenOptimizer, choose_optimizers, choose_tasks
from rmobench.store import write
from rmobench.types import Record, Status, Target, selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Which rungs are frozen."""

    shares: tuple[float, ...]  # of the budget, one rung each
    headline: float
    digits: int
    at_once: bool  # one trial is judged at every share, where training is dear; else each share is a trial


NETWORKS = Ladder(shares=(1 / 16, 1 / 8, 1 / 4, 1 / 2, 1), headline=1 / 2, digits=2, at_once=False)
LANGUAGE = Ladder(shares=(1 / 4, 1 / 2, 3 / 4, 1, 2), headline=3 / 4, digits=4, at_once=True)

RULE = "median over seeds of the value at the end of a share of the budget, rounded up to {} digits"

FREEZING_SEED = 2_000_000
"""Freezing seeds count from here, apart from tuning seeds and reported ones."""

TASKS = Path("rmobench/tasks")


def reached(record: Record) -> float:
    """Return the value at the end of a trial that spent its budget on the constraint, infinite of all others."""
    end = record.spent
    if end is None or record.status is not Status.budget:
        return math.inf
    value, residual = end.metrics[record.target.metric], end.metrics["residual"]
    kept = residual is not None and residual <= record.target.residual_max[record.trial.precision]
    return value if kept and value is not None else math.inf


def rounded_up(value: float, digits: int = 2) -> float:
    """Return the number of so many digits at or above a positive value."""
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.{digits}g}")


def reached_on_the_way(record: Record, step: int) -> float:
    """Return the value at a judged step of a trial that spent its budget on the constraint, infinite of all others."""
    if math.isinf(reached(record)):
        return math.inf
    (point,) = (point for point in record.trace if point.step == step)
    value = point.metrics[record.target.metric]
    return math.inf if value is None else value


def rung(values: Sequence[float], share: float, digits: int = 2) -> float:
    """Return what the median trial has reached with a share of the budget."""
    median = statistics.median(values)
    if not 0.0 < median < math.inf:
        raise typer.BadParameter(
            f"the baseline's median after {share:g} of the budget is {median}; take another baseline."
        )
    return rounded_up(median, digits)


def run(
    task: str,
    optimizers: Sequence[ChosenOptimizer],
    seeds: range,
    *,
    share: float = 1.0,
    every: int | None = None,
    precision: str,
    jobs: int,
) -> list[Record]:
    """Run every optimizer to the end of a share of the budget, with no target that would end a trial.

    The last point of a trial is always judged; those on the way are thinned, and would tell an earlier value, unless so
    many steps lie between two of them.
    """
    (chosen,) = choose_tasks(task)
    n_calls = round(share * chosen.spec.budget.n_calls)
    planned = plan([chosen], optimizers, seeds=seeds, precisions=[precision], n_calls=n_calls)
    if planned.skips:
        raise typer.BadParameter(planned.skips[0].reason)
    endless = [_endless(p, every) for p in planned.trials]
    with tempfile.TemporaryDirectory() as store:
        outcomes = list(sweep(endless, save=partial(write, Path(store)), jobs=jobs))
    records = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    return sorted(records, key=lambda record: record.trial.seed)


def along(
    task: str, optimizer: ChosenOptimizer, seeds: range, ladder: Ladder, *, precision: str, jobs: int
) -> tuple[dict[float, list[float]], Record]:
    """Return what an optimizer has reached with each share of the budget, by seed, and one of the records."""
    if not ladder.at_once:
        each = {s: run(task, [optimizer], seeds, share=s, precision=precision, jobs=jobs) for s in ladder.shares}
        return {share: [reached(record) for record in records] for share, records in each.items()}, each[1][0]
    (chosen,) = choose_tasks(task)
    n_calls = chosen.spec.budget.n_calls
    every = round(min(ladder.shares) * n_calls)
    records = run(task, [optimizer], seeds, share=max(ladder.shares), every=every, precision=precision, jobs=jobs)
    steps = {share: round(share * n_calls) for share in ladder.shares}
    values = {share: [reached_on_the_way(record, step) for record in records] for share, step in steps.items()}
    return values, records[0]


def _endless(planned: Planned, every: int | None) -> Planned:
    own = planned.task.target
    if own.mode != "min":
        raise typer.BadParameter(f"{planned.task.name}: its metric {own.metric!r} rises; only falling ones are frozen.")
    endless = Target(metric=own.metric, rungs=(0.0,), headline=0.0)
    task = replace(planned.task, target=endless)
    return replace(planned, task=task if every is None else replace(task, cheap=False, judge_every=every))


def winner(records: Sequence[Record]) -> str:
    """Return the label of the setting with the lowest median over the tuning seeds at the end."""
    ends: dict[str, list[float]] = {}
    for record in records:
        ends.setdefault(record.trial.label, []).append(reached(record))
    return min(ends, key=lambda label: statistics.median(ends[label]))


def main(
    task: Annotated[str, typer.Argument(help="Selector of one task.")],
    baseline: Annotated[
        list[str] | None, typer.Option(help="Selector of the baseline, default rsgd; several: settings to try.")
    ] = None,
    points_: Annotated[int, typer.Option("--points", help="Settings to try; 0: the selector as it is.")] = 16,
    tuning_seeds: Annotated[int, typer.Option(help="Seeds of each setting.")] = 2,
    seeds: Annotated[int, typer.Option(help="Seeds of the frozen medians; fewer than five are provisional.")] = 5,
    precision: Annotated[str, typer.Option(help="One precision.")] = "fp32",
    jobs: Annotated[int, typer.Option("-j", help="Worker processes.")] = 1,
    language: Annotated[bool, typer.Option("--language", help="The ladder of language models.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Where TASK.json goes; default: beside the task.")] = None,
) -> None:
    """Tune the baseline, run it on fresh seeds, and write the rungs that it reached."""
    ladder = LANGUAGE if language else NETWORKS
    (task_,) = choose_tasks(task)
    baseline = baseline or ["rsgd"]
    settings = [chosen for text in baseline for chosen in choose_optimizers(text)]
    if len(settings) == 1 and points_:
        settings = points(tunable(baseline[0]), points_)
    (chosen, *others) = settings
    if others:
        tuning = range(FIRST_SEED, FIRST_SEED + tuning_seeds)
        (chosen,) = choose_optimizers(winner(run(task, settings, tuning, precision=precision, jobs=jobs)))
    fresh = range(FREEZING_SEED, FREEZING_SEED + seeds)
    frozen, first = along(task, chosen, fresh, ladder, precision=precision, jobs=jobs)
    found = {f"{share:g}": rung(values, share, ladder.digits) for share, values in frozen.items()}
    said: dict[str, Any] = {
        "task": task_.label,
        "task_version": task_.spec.version,
        "metric": first.target.metric,
        "mode": first.target.mode,
        "rungs": sorted(set(found.values()), reverse=True),
        "headline": found[f"{ladder.headline:g}"],
        "provenance": {
            "provisional": not others or seeds < 5,
            "rule": RULE.format("two" if ladder is NETWORKS else "four"),
            "digits": ladder.digits,
            "rung_of_share": found,
            "headline_share": ladder.headline,
            "baseline": selector(chosen.spec.name, chosen.hyper),
            "tuning_points": len(settings) if others else 0,
            "tuning_seeds": tuning_seeds if others else 0,
            "tried": baseline if len(baseline) > 1 else [],
            "seeds": list(fresh),
            "values": {f"{share:g}": values for share, values in frozen.items()},
            "n_calls": task_.spec.budget.n_calls,
            "precision": precision,
            "environment": msgspec.to_builtins(first.environment),
        },
    }
    folder = folder or TASKS / task_.spec.family / "targets"
    folder.mkdir(exist_ok=True)
    path = folder / f"{task_.spec.name}.json"
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    typer.run(main)
