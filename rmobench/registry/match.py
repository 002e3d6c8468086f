"""Why a pair cannot run."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from rmobench.registry.sources import missing_data
from rmobench.registry.weights import missing_weights
from rmobench.types import OptimizerSpec, TaskSpec, Value

CONSTRAINTS = ("sphere", "stiefel", "grassmann", "spd", "fixedrank")
"""Names of manifolds that a task's argument `manifold` can put in place of its own."""

ADAPTED = "low_rank"
"""Value of a task's argument `parametrisation` with which it has adapters."""

ADAPTER_TRAITS = ("low_rank_layers", "adapters")


def why_not(
    optimizer: OptimizerSpec,
    task: TaskSpec,
    precision: str = "fp64",
    device: str = "cpu",
    hyper: Mapping[str, Value] | None = None,
    args: Mapping[str, Value] | None = None,
) -> str | None:
    """Return the reason why an optimizer cannot run on a task, or None if it can; equal reasons read alike.

    Args:
        optimizer: The optimizer.
        task: The task.
        precision: One of `types.PRECISIONS`.
        device: "cpu" or "cuda".
        hyper: The optimizer's hyperparameters; default: its defaults.
        args: The task's arguments; default: its defaults.
    """
    args = task.args if args is None else args
    if (reason := unavailable(optimizer, hyper) or unavailable(task, args)) is not None:
        return reason
    if missing := [t for t in optimizer.needs if t not in offered(task, args)]:
        return f"the optimizer needs {', '.join(missing)}, which the task does not offer"
    asked = args.get("manifold", task.constraint)
    constraint = asked if asked in CONSTRAINTS else task.constraint  # the task itself refuses a name that is none
    if constraint is not None and constraint not in optimizer.handles:
        reason = f"the task is constrained to {constraint}, which the optimizer does not keep"
        return f"{reason}; a class that does declares handles = ({constraint!r},)" if optimizer.open_hyper else reason
    if precision == "tf32" and device != "cuda":
        return "tf32 exists on CUDA devices only"
    return None


def offered(task: TaskSpec, args: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the traits that a task has with its arguments: without adapters it has no layers of low rank."""
    if args.get("parametrisation", ADAPTED) == ADAPTED:
        return task.offers
    return tuple(trait for trait in task.offers if trait not in ADAPTER_TRAITS)


def unavailable(spec: OptimizerSpec | TaskSpec, params: Mapping[str, Value] | None = None) -> str | None:
    """Return why a name cannot run on this machine at all, or None if it can.

    Args:
        spec: The optimizer or the task.
        params: Its hyperparameters or arguments; default: its defaults.
    """
    if missing := [p for p in spec.requires if importlib.util.find_spec(p) is None]:
        return f"needs the package {', '.join(missing)}, which is not installed"
    if spec.broken is not None:
        return spec.broken
    if isinstance(spec, OptimizerSpec):
        return missing_weights(spec, spec.defaults if params is None else params)
    return missing_data(spec, spec.args if params is None else params)
