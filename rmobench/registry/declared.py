"""What a user's class says of itself, read from its source without running it."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from rmobench.errors import InputError
from rmobench.registry.match import CONSTRAINTS
from rmobench.registry.scan import source_of

DECLARED = ("handles", "needs")
"""Class attributes that are read, with the meaning that they have in `@optimizer`."""

Declared = dict[str, tuple[str, ...]]


def declared(target: str) -> Declared:
    """Return what a class declares by its attributes `handles` and `needs`, its own or inherited.

    Classes and their bases are found in the module, or where it imports them from by name.

    Args:
        target: package.module:Class.

    Raises:
        InputError: A declaration is no tuple of names, or names a constraint that does not exist.
    """
    module, _, attribute = target.partition(":")
    try:
        found = _of_class(module, attribute.rpartition(".")[2], frozenset())
    except InputError as error:
        raise InputError(f"{target}: {error}") from None
    for name in found.get("handles", ()):
        if name not in CONSTRAINTS:
            raise InputError(f"{target}: got {name!r} in handles, expected one of {', '.join(CONSTRAINTS)}.")
    return found


def _of_class(module: str, name: str, seen: frozenset[tuple[str, str]]) -> Declared:
    path = source_of(module)
    if path is None or path.suffix != ".py" or (module, name) in seen:
        return {}
    seen |= {(module, name)}
    for node in ast.walk(_parsed(path)):  # outermost first
        match node:
            case ast.ClassDef() if node.name == name:
                found: Declared = {}
                for base in reversed(node.bases):
                    if isinstance(base, ast.Name):
                        found |= _of_class(module, base.id, seen)
                return found | _own(node)
            case ast.ImportFrom():
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return _of_class(_absolute(node, module, path), alias.name, seen)
    return {}


def _own(node: ast.ClassDef) -> Declared:
    found: Declared = {}
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=key)], value=value) if key in DECLARED:
                found[key] = _names(key, value)
            case ast.AnnAssign(target=ast.Name(id=key), value=ast.expr() as value) if key in DECLARED:
                found[key] = _names(key, value)
    return found


def _names(key: str, node: ast.expr) -> tuple[str, ...]:
    match node:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            names = [e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            if len(names) == len(elements):
                return tuple(names)
    raise InputError(
        f"got {key} = {ast.unparse(node)}, expected a tuple of names, e.g. ('stiefel',), written out: "
        "the source is read, not run."
    )


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise InputError(f"{path}{line}: {error.args[0]}.") from None


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    """Return the module that an import names; as it stands where the import is broken."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    relative = "." * node.level + (node.module or "")
    try:
        return importlib.util.resolve_name(relative, package)
    except ImportError:
        return relative
