"""Findings about the contract on a terminal, and as JSON. The shape of the JSON is in this room's README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rmobench.harness.contract import Finding

SHAPE = 1
"""Version of the JSON; grows when a key is renamed or removed, not when one is added."""


def verdict(name: str, findings: Sequence[Finding]) -> str:
    """Say in a line what came of all the checks."""
    broken = [f for f in findings if not f.holds]
    seconds = sum(f.seconds for f in findings)
    if broken:
        return f"{name} breaks the contract in {len(broken)} of {len(findings)} checks ({seconds:.0f} s)."
    return f"{name} keeps the contract: {len(findings)} checks hold ({seconds:.0f} s)."


def terminal(name: str, findings: Sequence[Finding]) -> RenderableType:
    """Show every check with what was seen, and advice for those that do not hold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("", "check", "on", "what was seen, and advice"):
        table.add_column(head, overflow="fold")
    for f in findings:
        mark = Text("holds", style="green") if f.holds else Text("broken", style="red")
        said = Text(f.said)
        if f.advice:
            said.append(("\n" if f.said else "") + f.advice, style="yellow")
        table.add_row(mark, Text(f.states), Text(f.on), said)
    good = all(f.holds for f in findings)
    return Group(table, Text(verdict(name, findings), style="bold green" if good else "bold red"))


def as_json(name: str, findings: Sequence[Finding]) -> str:
    """Write {"shape", "name", "holds", "findings"}."""
    whole = {"shape": SHAPE, "name": name, "holds": all(f.holds for f in findings), "findings": list(findings)}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
