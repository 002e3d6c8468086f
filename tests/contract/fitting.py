"""Which pairs the tests of the registry take."""

from rmobench.harness.contract import Pair, optimizer_for, pairs_of
from rmobench.registry import choose_optimizers, choose_tasks, optimizers, tasks

OPTIMIZERS = sorted(optimizers())
TASKS = sorted(tasks())
DEAR = ("minilm_reviews", "smollm2_reviews")
"""Tasks whose build or single step takes seconds."""


def pairs() -> list[tuple[str, Pair | None]]:
    """Every optimizer with the tasks that the contract takes for it; None where a package is missing."""
    found = [(name, pairs_of(choose_optimizers(name)[0])) for name in OPTIMIZERS]
    return [(name, pair) for name, mine in found for pair in (mine or [None])]


def chosen(task: str):
    """A task, and an optimizer that fits it, as a plan takes them."""
    optimizer = optimizer_for(task)
    assert optimizer is not None, f"no registered optimizer fits {task}"
    return choose_tasks(task), choose_optimizers(optimizer)
