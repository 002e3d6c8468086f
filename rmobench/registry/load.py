"""Import what a spec points at, and nothing else."""

from __future__ import annotations

import importlib
from typing import Any

from rmobench.errors import InputError, MissingDependencyError


def load(location: str) -> Any:
    """Import `package.module:attribute`.

    Raises:
        InputError: No such module or attribute.
        MissingDependencyError: The module exists, but something that it imports does not.
    """
    module, _, attribute = location.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            raise InputError(
                f"{location}: no module named {error.name!r}; looked in sys.path and the current folder."
            ) from None
        raise MissingDependencyError(f"{location} needs the package {error.name!r}, which is not installed.") from error
    value: Any = loaded
    for part in attribute.split("."):
        if part not in dir(value):
            raise InputError(f"{location}: {module} has no attribute {attribute!r}.")
        value = getattr(value, part)
    return value
