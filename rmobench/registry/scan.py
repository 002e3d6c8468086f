"""Read the specs out of the source files, importing none of them."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rmobench import types
from rmobench.errors import RmobenchError
from rmobench.types import Budget, Choice, Linear, Log, OptimizerSpec, Target, TaskSpec

PACKAGE = Path(__file__).parent.parent
CALLABLE = {kind.__name__: kind for kind in (Log, Linear, Choice, Target, Budget)}
ROOM = {"optimizer": "optimizers", "task": "tasks"}


class RegistrationError(RmobenchError):
    """A registered file does not follow the registry's rules: a programming error, not a user's."""


@cache
def optimizers() -> Mapping[str, OptimizerSpec]:
    """Return every registered optimizer by name, built-in ones first, without importing any."""
    return MappingProxyType({s.name: s for s in _specs("optimizer")})  # type: ignore[misc]


@cache
def tasks() -> Mapping[str, TaskSpec]:
    """Return every registered task by name, built-in ones first, without importing any."""
    return MappingProxyType({s.name: s for s in _specs("task")})  # type: ignore[misc]


def _specs(kind: str) -> list[OptimizerSpec | TaskSpec]:
    room = PACKAGE / ROOM[kind]
    found: dict[str, OptimizerSpec | TaskSpec] = {}
    for path in sorted(room.glob("*/*.py")):
        module = "rmobench." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if (spec := read_spec(path, module, kind, path.stem)) is not None:
            if spec.name in found:
                raise RegistrationError(f"{path}: the name {spec.name!r} is taken by {found[spec.name].location}.")
            found[spec.name] = spec
    for point in entry_points(group=f"rmobench.{ROOM[kind]}"):
        try:
            spec = _from_entry_point(point, kind)
        except (RegistrationError, ImportError, OSError, SyntaxError) as error:
            spec = _broken(point, kind, f"{type(error).__name__}: {error}")
        found.setdefault(spec.name, spec)
    return list(found.values())


def read_spec(path: Path, module: str, kind: str, name: str) -> OptimizerSpec | TaskSpec | None:
    """Read the spec of the function `name` from a source file.

    Args:
        path: The file.
        module: Its import name, for the spec's location.
        kind: "optimizer" or "task": the decorator to look for.
        name: Function to read.

    Returns:
        The spec, or None if the file has no function of that name under that decorator.

    Raises:
        RegistrationError: A decorator on another name, or arguments that are not literal.
    """
    text = path.read_text(encoding="utf-8")
    if f"@{kind}(" not in text:
        return None
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == kind:
                if node.name != name:
                    raise RegistrationError(f"{path}: @{kind} is on {node.name!r}, expected {name!r}, the file's name.")
                return _spec(node, call, kind, f"{module}:{name}", path)
    return None


def _spec(node: ast.FunctionDef, call: ast.Call, kind: str, location: str, path: Path) -> OptimizerSpec | TaskSpec:
    try:
        said = {k.arg: _value(k.value) for k in call.keywords if k.arg is not None}
        defaults = {
            a.arg: _value(d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None
        }
    except ValueError as error:
        raise RegistrationError(f"{path}: @{kind} of {node.name}: {error}") from None
    summary = (ast.get_docstring(node) or "").split("\n")[0]
    said = {key: value for key, value in said.items() if value is not None} | {"name": node.name, "summary": summary}
    try:
        if kind == "optimizer":
            return OptimizerSpec(location=location, defaults=defaults, **said)
        return TaskSpec(location=location, args=defaults, **said)
    except TypeError as error:
        raise RegistrationError(f"{path}: @{kind} of {node.name}: {error}") from None


def _value(node: ast.expr) -> Any:
    """Evaluate a literal, a container of them, a call of a value type, or an upper-case constant of types."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLABLE:
            named = {k.arg: _value(k.value) for k in keywords if k.arg is not None}
            return CALLABLE[name](*map(_value, args), **named)
        case ast.Dict(keys=keys, values=values):
            return {_value(k): _value(v) for k, v in zip(keys, values, strict=True) if k is not None}
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return tuple(map(_value, elements))
        case ast.Name(id=name) if name.isupper() and name in vars(types):
            return vars(types)[name]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(
            f"{ast.unparse(node)!r} is not a literal; the registry reads files without running them"
        ) from None


def _from_entry_point(point: EntryPoint, kind: str) -> OptimizerSpec | TaskSpec:
    path = source_of(point.module)
    spec = read_spec(path, point.module, kind, point.attr) if path is not None else None
    if spec is None:
        raise RegistrationError(
            f"entry point {point.name} = {point.value}: expected {point.attr!r} under @{kind} in {point.module}."
        )
    return spec


def _broken(point: EntryPoint, kind: str, reason: str) -> OptimizerSpec | TaskSpec:
    """Stand for a third party's name that cannot be read: it is listed with its reason, and all others work."""
    said: dict[str, Any] = {
        "name": point.name,
        "family": "broken",
        "source": point.value,
        "location": point.value,
        "broken": reason,
    }
    return OptimizerSpec(**said) if kind == "optimizer" else TaskSpec(**said)


def source_of(module: str) -> Path | None:
    """Find a module's file without importing its parents' code beyond the top-level finder."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or ():
        stem = Path(folder).joinpath(*rest)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None
