"""`rmobench doctor`: this machine, and what is missing here."""

from __future__ import annotations

import msgspec

from rmobench.cli.listing import list_optimizers, list_tasks
from rmobench.cli.options import JsonOption


def doctor(json: JsonOption = False) -> None:
    """Show the environment that records carry, and what is missing for which name."""
    from rmobench.harness.environment import environment

    found = msgspec.to_builtins(environment())
    absent = {s["name"]: s["skip"] for s in (*list_tasks(), *list_optimizers()) if s["skip"]}
    if json:
        print(msgspec.json.encode({"environment": found, "skips": absent}).decode())
        return
    for key, value in found.items():
        print(f"{key:>13}  {value}")
    for name, reason in absent.items():
        print(f"{name:>13}  {reason}")
