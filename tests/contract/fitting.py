"""Which optimizer a test takes for a task, and which task for an optimizer."""

from rmobench.registry import choose_optimizers, choose_tasks, optimizers, tasks, why_not

OPTIMIZERS = sorted(name for name, spec in optimizers().items())
TASKS = sorted(name for name, spec in tasks().items())


SHAPED = {"gmlstm": "pca_digits"}
"""Optimizers whose weights fit frames of one shape only, and a task that has it."""


DEAR = ("minilm_reviews", "smollm2_reviews")
"""Tasks whose build or single step takes seconds."""


def optimizer_for(task: str) -> str:
    """The first registered optimizer that fits the task, Adam before all."""
    spec = tasks()[task]
    fitting = [o for o in ("adam", *OPTIMIZERS) if why_not(optimizers()[o], spec) is None]
    assert fitting, f"no registered optimizer fits {task}"
    return fitting[0]


def task_for(optimizer: str) -> str | None:
    """The first registered task that the optimizer fits, the quadratic before all; None if a package is missing.

    Cheap ones go before the others.
    """
    spec = optimizers()[optimizer]
    preferred = SHAPED.get(optimizer, "quadratic")
    fitting = [
        t for t in (preferred, *sorted(TASKS, key=lambda t: not tasks()[t].cheap)) if why_not(spec, tasks()[t]) is None
    ]
    return fitting[0] if fitting else None


CURVED = "pca_digits"
"""A task on a manifold."""


def pairs() -> list[tuple[str, str | None]]:
    """Every optimizer with a task that it fits, and those for manifolds with one on a manifold too."""
    found = [(name, task_for(name)) for name in OPTIMIZERS]
    curved = [(o, CURVED) for o, on in found if on not in (None, CURVED) and optimizers()[o].handles]
    return sorted([*found, *((o, t) for o, t in curved if why_not(optimizers()[o], tasks()[t]) is None)])


def chosen(task: str, optimizer: str):
    return choose_tasks(task), choose_optimizers(optimizer)
