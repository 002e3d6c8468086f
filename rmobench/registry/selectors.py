"""`name[param=value,...]`, `package.module:Class[param=value,...]` and `@family`: how a user names what to run.

`label = selector` gives an optimizer another name in the reports, e.g. `adam_tuned = adam[lr=0.3]`.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from rmobench.errors import InputError, SelectorError, UnknownNameError
from rmobench.registry.declared import declared
from rmobench.registry.scan import optimizers, source_of, tasks
from rmobench.types import OptimizerSpec, TaskSpec, Value, selector

SELECTOR = re.compile(r"^\s*(?P<name>@?[A-Za-z_][\w.:]*|\*)\s*(?:\[(?P<params>.*)\])?\s*$", re.DOTALL)
LABELLED = re.compile(r"^\s*(?P<label>[A-Za-z_]\w*)\s*=\s*(?P<selector>.+)$", re.DOTALL)
Spec = TypeVar("Spec", TaskSpec, OptimizerSpec)
ADAPTER = "rmobench.optimizers.adapters.torch_class:torch_class"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenOptimizer:
    """An optimizer with all its hyperparameters; `label` shows the ones that differ from the defaults."""

    spec: OptimizerSpec
    hyper: Mapping[str, Value]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTask:
    """A task with all its arguments; `label` shows them all."""

    spec: TaskSpec
    args: Mapping[str, Value]
    label: str


def parse_selector(text: str) -> tuple[str, dict[str, Value]]:
    """Split a selector into its name and its parameters.

    Values are Python literals (1e-2, True, None, 'a b'); a bare word is a string.

    Raises:
        SelectorError: It does not have the form `name[param=value,...]`.
    """
    found = SELECTOR.match(text)
    if found is None:
        raise SelectorError(f"got {text!r}, expected `name` or `name[param=value,...]`.")
    return found["name"], dict(_pair(part, text) for part in _split(found["params"] or "", text))


def _split(params: str, text: str) -> list[str]:
    """Split at the commas outside quotes and parentheses."""
    parts = re.findall(r"""(?:[^,'"()]|'[^']*'|"[^"]*"|\([^()]*\))+|,""", params)
    if "".join(parts) != params:
        raise SelectorError(f"got {text!r}: a quote or a parenthesis is not closed.")
    return [part for part in parts if part != "," and part.strip()]


def _pair(part: str, text: str) -> tuple[str, Value]:
    key, equals, value = (s.strip() for s in part.partition("="))
    if not equals or not key.isidentifier() or not value:
        raise SelectorError(f"got {part.strip()!r} in {text!r}, expected param=value.")
    if re.fullmatch(r"[A-Za-z_][\w.\-]*", value) and value not in {"True", "False", "None"}:
        return key, {"true": True, "false": False}.get(value, value)
    try:
        literal = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise SelectorError(
            f"got {value!r} for {key} in {text!r}, expected a number, a word, True, False or None."
        ) from None
    if not all(_storable(item) for item in (literal if isinstance(literal, tuple) else (literal,))):
        raise SelectorError(
            f"got {value!r} for {key} in {text!r}, expected finite numbers, words, True, False or None."
        )
    return key, literal


def _storable(item: object) -> bool:
    """Whether a value survives JSON: finite, and an int of at most 64 bits."""
    if isinstance(item, bool | str | None):
        return True
    return (isinstance(item, int) and abs(item) < 2**63) or (isinstance(item, float) and math.isfinite(item))


def choose_tasks(text: str, *, brought: Collection[str] = ()) -> list[ChosenTask]:
    """Resolve a task selector; `@family` and `*` give every task of a family, or all, with default arguments.

    Args:
        text: The selector.
        brought: Sources of data that the user brings: tasks that know them have other defaults.
    """
    name, params = parse_selector(text)
    known = tasks()
    if name == "*" or name.startswith("@"):
        specs = _group(name, params, "task", known)
    elif name not in known:
        raise UnknownNameError("task", name, known)
    else:
        specs = [known[name]]
    return [_chosen_task(s, params, brought) for s in specs]


def _chosen_task(spec: TaskSpec, params: Mapping[str, Value], brought: Collection[str]) -> ChosenTask:
    defaults = dict(spec.args)
    for source in brought:
        if params.get("data", source) == source:  # who names other data means them
            defaults |= spec.brought.get(source, {})
    args = _merge(f"task {spec.name}", defaults, params)
    return ChosenTask(spec=spec, args=args, label=selector(spec.name, args))


def split_label(text: str) -> tuple[str | None, str]:
    """Cut `label = selector` into its parts; None where there is no label.

    Raises:
        SelectorError: There are two labels.
    """
    labelled = LABELLED.match(text)
    if labelled is None:
        return None, text
    if LABELLED.match(labelled["selector"]):
        raise SelectorError(f"got {text!r}: expected one label, as in `mine = adam[lr=0.1]`.")
    return labelled["label"], labelled["selector"]


def choose_optimizers(text: str) -> list[ChosenOptimizer]:
    """Resolve an optimizer selector: a registered name, `@family`, `*`, or `package.module:Class[lr=0.1]`."""
    label, text = split_label(text)
    if label is not None:
        chosen = choose_optimizers(text)
        if len(chosen) > 1:
            raise SelectorError(f"got {label} = {text}: a label names one optimizer, not {len(chosen)}.")
        return [replace(chosen[0], label=label)]
    name, params = parse_selector(text)
    if ":" in name:
        return [_from_class(name, params)]
    known = optimizers()
    if name == "*" or name.startswith("@"):
        specs = _group(name, params, "optimizer", known)
    elif name not in known:
        raise UnknownNameError("optimizer", name, known)
    else:
        specs = [known[name]]
    return [_chosen_optimizer(s, params) for s in specs]


def _chosen_optimizer(spec: OptimizerSpec, params: Mapping[str, Value]) -> ChosenOptimizer:
    hyper = _merge(f"optimizer {spec.name}", spec.defaults, params)
    changed = {key: value for key, value in hyper.items() if value != spec.defaults[key]}
    return ChosenOptimizer(spec=spec, hyper=hyper, label=selector(spec.name, changed))


def _group(name: str, params: Mapping[str, Value], kind: str, known: Mapping[str, Spec]) -> list[Spec]:
    if params:
        raise SelectorError(f"got parameters after {name!r}; a group takes none.")
    chosen = [s for s in known.values() if name in ("*", f"@{s.family}")]
    if not chosen:
        raise UnknownNameError("family", name, {f"@{s.family}" for s in known.values()})
    return chosen


def _merge(what: str, defaults: Mapping[str, Value], params: Mapping[str, Value]) -> dict[str, Value]:
    """Overlay the defaults; an int given for a float becomes one, so that lr=1 and lr=1.0 are the same trial."""
    merged = dict(defaults)
    for key, value in params.items():
        if key not in defaults:
            raise SelectorError(f"{what} has no parameter {key!r}; it has {', '.join(defaults) or 'none'}.")
        default = defaults[key]
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if default is not None and type(value) is not type(default):
            raise SelectorError(
                f"{what}: got {key}={value!r}, expected {type(default).__name__} as in its default {key}={default!r}."
            )
        merged[key] = value
    return merged


def _from_class(target: str, params: Mapping[str, Value]) -> ChosenOptimizer:
    """Describe a user's torch.optim-style class; its version is its source's hash: an edited class is a new trial."""
    module, _, attribute = target.partition(":")
    if not attribute:
        raise InputError(f"got {target!r}, expected package.module:Class.")
    path = source_of(module)
    if path is None:
        raise InputError(f"{target}: no module named {module!r}; looked in sys.path and the current folder.")
    said = declared(target)
    spec = OptimizerSpec(
        name=target,
        family="user",
        source=module,
        location=ADAPTER,
        summary=f"{attribute} of {module}, as it is.",
        version=_hash_of(path),
        open_hyper=True,
        handles=said.get("handles", ()),
        needs=said.get("needs", ()),
    )
    return ChosenOptimizer(spec=spec, hyper={"target": target, **params}, label=selector(target, params))


def _hash_of(path: Path) -> str:
    """Hash a module's source; of a package, every file of its folder. What it imports from elsewhere is not seen."""
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
