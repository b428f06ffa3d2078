"""The declaration of an operation, from which its route, its command and its documents are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ferraris.headend.access.rights import Right

__all__ = ["Operation", "declared", "operation"]

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be asked for.

    `function` takes the `Desk` and then named arguments: those of `path` in braces, the others
    from the query of a GET or, named `body`, the document of a request that changes something. It
    returns a dataclass or msgspec Struct, a list of them, or None. An answer that is `secret` is
    kept nowhere, so no idempotency key goes with it. `most_octets` is how long its document may be
    where that is more than others may.
    """

    method: str
    path: str
    command: str
    right: Right | None
    function: Callable[..., Any]
    secret: bool = False
    most_octets: int = 0

    @property
    def changes(self) -> bool:
        """Whether it changes something, so it runs in a transaction that also audits it."""
        return self.method != "GET"

    @property
    def name(self) -> str:
        """The name of the operation, unique, in the OpenAPI document and the audit log."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """The first sentence of its documentation."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]


def operation(
    route: str,
    *,
    command: str,
    right: Right | None,
    secret: bool = False,
    most_octets: int = 0,
) -> Callable[[Function], Function]:  # fmt: skip
    """Declare an operation: `route` is "METHOD /path/{name}", `command` its words after `headend`.

    `right` is what the caller needs for at least one meter of the tenant; the function narrows it
    down to meters with `Desk.meter` and `Desk.visible`. None allows every known caller.
    `secret` says that the answer holds one, `most_octets` how long a long document may be.
    """
    method, path = route.split(" ", 1)

    def declare(function: Function) -> Function:
        function.operation = Operation(  # type: ignore[attr-defined] # found again by `declared`
            method, path, command, right, function, secret, most_octets
        )
        return function

    return declare


def declared(function: Callable[..., Any]) -> Operation:
    """The operation that a function was declared to be."""
    operation: Operation = function.operation  # type: ignore[attr-defined] # by `operation`
    return operation
