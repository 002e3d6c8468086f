"""`rmobench check`: the contract, on one optimizer or task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rmobench.cli.console import console
from rmobench.cli.options import JsonOption
from rmobench.errors import InputError, UnknownNameError
from rmobench.registry import choose_optimizers, choose_tasks, optimizers, parse_selector, tasks, unavailable

if TYPE_CHECKING:
    from rmobench.harness.contract import Finding


def check_(
    name: Annotated[str, typer.Argument(help="An optimizer, package.module:Class among them, or a task.")],
    json: JsonOption = False,
) -> None:
    """Run the contract on an optimizer or a task: a verdict with advice in a minute; exit with 1 if it is broken."""
    from rmobench.report import contract

    bare, _ = parse_selector(name)
    known = {**optimizers(), **tasks()}
    if ":" not in bare and bare not in known:
        raise UnknownNameError("optimizer or task", bare, known)
    found = []
    with console(stderr=True).status("checking", spinner="line") as status:
        for finding in _findings_on_task(name) if bare in tasks() else _findings_on_optimizer(name):
            status.update(finding.states)
            found.append(finding)
    print(contract.as_json(name, found), end="") if json else console().print(contract.terminal(name, found))
    if not all(finding.holds for finding in found):
        raise typer.Exit(1)


def _findings_on_optimizer(name: str) -> Iterator[Finding]:
    from rmobench.harness.contract import OPTIMIZER_CHECKS, examine, pairs_of

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

    (task,) = choose_tasks(name)
    if (reason := unavailable(task.spec, task.args)) is not None:
        raise InputError(f"{name} cannot be checked here: {reason}.")
    yield from examine(TASK_CHECKS, task, on=task.spec.name)
    if (fitting := optimizer_for(task.spec.name)) is not None:
        pair = Pair(optimizer=choose_optimizers(fitting)[0], task=task)
        yield from examine(OPTIMIZER_CHECKS[:1], pair, on=fitting)
