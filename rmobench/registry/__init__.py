"""Names -> specs, and why a pair cannot run.

The registry is the file system: file stem == function name == spec name. Listing reads files and imports none of them;
`load` imports the one that is asked for. Third parties add names through the entry points `rmobench.tasks` and
`rmobench.optimizers`, each pointing at a decorated function.
"""

from rmobench.registry.decorators import optimizer, task
from rmobench.registry.load import load
from rmobench.registry.match import unavailable, why_not
from rmobench.registry.scan import optimizers, tasks
from rmobench.registry.selectors import (
    ChosenOptimizer,
    ChosenTask,
    choose_optimizers,
    choose_tasks,
    parse_selector,
    split_label,
)
from rmobench.registry.sources import sources_read
from rmobench.registry.weights import find_weights, weights_sha256

__all__ = [
    "ChosenOptimizer",
    "ChosenTask",
    "choose_optimizers",
    "choose_tasks",
    "find_weights",
    "load",
    "optimizer",
    "optimizers",
    "parse_selector",
    "sources_read",
    "split_label",
    "task",
    "tasks",
    "unavailable",
    "weights_sha256",
    "why_not",
]
