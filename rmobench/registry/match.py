"""Why a pair cannot run."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from rmobench.registry.weights import missing_weights
from rmobench.types import OptimizerSpec, TaskSpec, Value


def why_not(
    optimizer: OptimizerSpec,
    task: TaskSpec,
    precision: str = "fp64",
    device: str = "cpu",
    hyper: Mapping[str, Value] | None = None,
) -> str | None:
    """Return the reason why an optimizer cannot run on a task, or None if it can; equal reasons read alike.

    Args:
        optimizer: The optimizer.
        task: The task.
        precision: One of `types.PRECISIONS`.
        device: "cpu" or "cuda".
        hyper: The optimizer's hyperparameters; default: its defaults.
    """
    if (reason := unavailable(optimizer, hyper) or unavailable(task)) is not None:
        return reason
    if missing := [t for t in optimizer.needs if t not in task.offers]:
        return f"the optimizer needs {', '.join(missing)}, which the task does not offer"
    if task.constraint is not None and task.constraint not in optimizer.handles:
        return f"the task is constrained to {task.constraint}, which the optimizer does not keep"
    if precision == "tf32" and device != "cuda":
        return "tf32 exists on CUDA devices only"
    return None


def unavailable(spec: OptimizerSpec | TaskSpec, hyper: Mapping[str, Value] | None = None) -> str | None:
    """Return why a name cannot run on this machine at all, or None if it can."""
    if missing := [p for p in spec.requires if importlib.util.find_spec(p) is None]:
        return f"needs the package {', '.join(missing)}, which is not installed"
    if isinstance(spec, OptimizerSpec) and spec.broken is None:
        return missing_weights(spec, spec.defaults if hyper is None else hyper)
    return spec.broken
