"""`rmobench run`: trials -> records -> the leaderboard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from rmobench.cli.leaderboard import show_board
from rmobench.cli.options import STORE, AxisOption, Device, JsonOption, StoreOption
from rmobench.cli.plan import plan_of
from rmobench.cli.records import labelled, load_planned
from rmobench.cli.sweep import sweep_with_bar, unfinished
from rmobench.errors import InputError
from rmobench.types import Skip, Status

if TYPE_CHECKING:
    from rmobench.harness.plan import Plan, Planned

Engine = Literal["local", "ray"]


def run(
    suite: Annotated[str | None, typer.Argument(help="A named suite, or a .toml file.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Task selector, e.g. 'rosenbrock[dim=10]'; repeatable.")
    ] = None,
    optimizer: Annotated[
        list[str] | None,
        typer.Option(help="Optimizer selector, e.g. 'adam[lr=0.01]', @family, or package.module:Class."),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Comma-separated: fp64,fp32,tf32,bf16,fp16,bf16-amp.")] = None,
    device: Annotated[Device, typer.Option(help="Where trials run.")] = "cpu",
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds; default: the suite's, or 3.")] = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, help="Worker processes; default: one per core. -j 1 times best."),
    ] = None,
    calls: Annotated[int | None, typer.Option(min=1, help="Budget of a trial in oracle calls.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Budget of a trial in seconds.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads per trial.")] = 1,
    shard: Annotated[str | None, typer.Option(help="i/n: the i-th of n parts, for job arrays.")] = None,
    retry: Annotated[str | None, typer.Option(help="Comma-separated statuses to run again, e.g. oom,failed.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    in_process: Annotated[bool, typer.Option("--in-process", help="No workers: for debuggers.")] = False,
    engine: Annotated[Engine, typer.Option(help="Who runs trials: workers of our own here, or Ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster: host:port, or auto; default: a Ray of this machine alone.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(help="What Ray gives a CUDA trial of a GPU, e.g. 0.5; default: a whole one.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Your own data, NAME=PATH, e.g. h36m=/data/h36m; what can read them does. Repeatable."),
    ] = None,
    axis: AxisOption = "n_grad",
    export: Annotated[
        Path | None, typer.Option(help="Folder for SUITE.parquet, its records, and SUITE.md, its leaderboard.")
    ] = None,
    json: JsonOption = False,
    store: StoreOption = STORE,
) -> None:
    """Run a suite, or optimizers on tasks; end with the leaderboard and the skips. Finished trials are not repeated."""
    from rmobench.store import prepare

    plan = plan_of(
        suite,
        task=task or (),
        optimizer=optimizer or (),
        precision=precision,
        device=device,
        seeds=seeds,
        calls=calls,
        time_limit=time_limit,
        threads=threads,
        data=data or (),
    )
    if not plan.trials:
        reasons = "; ".join(f"{s.optimizer} on {s.task} at {s.precision}: {s.reason}" for s in plan.skips[:5])
        raise InputError(f"nothing to run: {reasons}.")
    if shard is not None:
        plan = _shard(plan, shard)
        if not plan.trials:
            typer.secho(f"nothing to run in shard {shard}", err=True)
            return
    ray = _ray(engine, address, gpus, in_process)
    todo = unfinished(plan, store, _statuses(retry), quiet=json)
    if dry_run:
        _show_plan(plan, todo, json=json)
        return
    if in_process and jobs not in (None, 1):
        raise InputError(f"got --in-process with -j {jobs}; --in-process runs one trial at a time.")
    if address is None:
        _check_device(device)
    prepare(store)
    if ray is None:
        jobs = jobs or (1 if device == "cuda" else max(1, (os.cpu_count() or 1) // threads))
    refused = sweep_with_bar(todo, store, jobs=jobs, in_process=in_process, quiet=json, ray=ray)
    skips = (*plan.skips, *dict.fromkeys(r.skip for r in refused))
    wrong = [r.reason for r in refused if r.wrong_input]
    if refused and len(refused) == len(plan.trials):
        raise InputError((wrong or [refused[0].reason])[0])
    show_board(load_planned(store, plan), skips, axis=axis, json=json)
    if export is not None:
        _export(store, plan, skips, axis, export, suite or "records")
    if wrong:
        raise InputError(f"{len(wrong)} of {len(plan.trials)} trials were refused: {wrong[0]}")


def _ray(engine: Engine, address: str | None, gpus: float | None, in_process: bool) -> dict[str, Any] | None:
    """Return what Ray is to be told, or None where it is not asked."""
    given = {"address": address, "gpus": gpus}
    given = {name: value for name, value in given.items() if value is not None}
    if engine == "ray" and in_process:
        raise InputError("got --engine ray and --in-process; give one of them.")
    if engine == "local" and given:
        raise InputError(f"got --{next(iter(given))} without --engine ray, which it is for.")
    return given if engine == "ray" else None


def _check_device(device: str) -> None:
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError(
                "got --device cuda, and torch finds no CUDA device here. `rmobench doctor` shows what it is."
            )


def _shard(plan: Plan, text: str) -> Plan:
    from rmobench.harness.plan import shard

    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise InputError(f"got --shard {text}, expected i/n with 1 <= i <= n.")
    return shard(plan, int(index), int(count))


def _statuses(text: str | None) -> frozenset[Status]:
    names = [name.strip() for name in text.split(",")] if text else []
    if unknown := [name for name in names if name not in Status.__members__]:
        raise InputError(f"got --retry {unknown[0]}, expected some of {', '.join(Status.__members__)}.")
    return frozenset(map(Status, names))


def _show_plan(plan: Plan, todo: Sequence[Planned], *, json: bool) -> None:
    if json:
        shown = {
            "trials": [p.trial for p in plan.trials],
            "ids": [p.trial.id for p in plan.trials],
            "skips": plan.skips,
        }
        print(msgspec.json.encode(shown | {"n_todo": len(todo)}).decode())
        return
    n_tasks = len({p.trial.task_label for p in plan.trials})
    n_optimizers = len({p.trial.label for p in plan.trials})
    print(f"{len(plan.trials)} trials ({n_tasks} tasks, {n_optimizers} optimizers), {len(todo)} to run")
    for planned in todo:
        trial = planned.trial
        print(f"  {trial.task_label}  {trial.label}  {trial.precision}  seed {trial.seed}")
    _print_skips(plan.skips)


def _print_skips(skips: Sequence[Skip]) -> None:
    for skip in skips:
        print(f"  skipped: {skip.optimizer} on {skip.task} at {skip.precision}: {skip.reason}")


def _export(store: Path, plan: Plan, skips: Sequence[Skip], axis: str, folder: Path, name: str) -> None:
    from rmobench.report import markdown
    from rmobench.statistics import leaderboard
    from rmobench.store import export_parquet, load

    folder.mkdir(parents=True, exist_ok=True)
    path = export_parquet(store, folder / f"{Path(name).stem}.parquet", ids=plan.ids)
    text = markdown.leaderboard(leaderboard(labelled(load(path), plan), axis=axis), skips, per_task=True)
    page = path.with_suffix(".md")
    page.write_text(text, encoding="utf-8")
    typer.secho(f"wrote {path} and {page}", err=True)
