"""Words of the command line -> the plan of trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from rmobench.cli.options import Device
from rmobench.errors import InputError

if TYPE_CHECKING:
    from rmobench.harness.plan import Plan


def plan_of(
    suite: str | None,
    *,
    task: Sequence[str] = (),
    optimizer: Sequence[str] = (),
    precision: str | None = None,
    device: Device = "cpu",
    seeds: int | None = None,
    calls: int | None = None,
    time_limit: float | None = None,
    threads: int = 1,
    data: Sequence[str] = (),
) -> Plan:
    """Plan a suite (any --optimizer joins its own), or the given tasks and optimizers, on data that the user brings."""
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
    runs = [msgspec.structs.replace(r, **given) for r in runs]
    return expand(runs, device=device, threads=threads, brought=_brought(data))


def _brought(data: Sequence[str]) -> tuple[str, ...]:
    if not data:
        return ()
    from rmobench.data.brought import bring

    return bring(data)
