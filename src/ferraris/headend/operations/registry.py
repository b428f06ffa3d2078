"""All operations there are: the API, the command line and their documents are made from this."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from ferraris.core.errors import UsageError
from ferraris.headend import operations
from ferraris.headend.operations.operation import Operation
from ferraris.headend.operations.shape import shape_of

__all__ = ["collected", "declared_in", "found"]


@cache
def collected() -> tuple[Operation, ...]:
    """Every declared operation, in the order of paths and methods; each is looked at once here.

    Raises `UsageError` for two that share a name, a route or a command: that is a mistake in the
    head-end itself.
    """
    taken: dict[str, Operation] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(operations.__path__)):
        for declared in declared_in(importlib.import_module(f"{operations.__name__}.{module}")):
            shape_of(declared)  # a signature that cannot be read is found at once
            route = f"{declared.method} {declared.path}"
            for place in (f"name {declared.name}", f"route {route}", f"command {declared.command}"):
                if place in taken:
                    raise UsageError(f"two operations have the {place}")
                taken[place] = declared
    return tuple(sorted(set(taken.values()), key=lambda each: (each.path, each.method)))


def declared_in(module: ModuleType) -> Iterator[Operation]:
    """The operations that a module declares itself."""
    for value in list(vars(module).values()):
        declared = getattr(value, "operation", None)
        if isinstance(declared, Operation) and value.__module__ == module.__name__:
            yield declared


@cache
def _by_name() -> dict[str, Operation]:
    return {each.name: each for each in collected()}


def found(name: str) -> Operation:
    """The operation of a name."""
    try:
        return _by_name()[name]
    except KeyError:
        raise UsageError(f"no operation {name!r}") from None
