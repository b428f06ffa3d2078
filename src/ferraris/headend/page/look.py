"""One request for a page: who looks, in which language and zone, and at what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from sqlalchemy import Connection

from ferraris.headend.access.rights import Right
from ferraris.headend.operations import Caller, Desk, House, Operation
from ferraris.headend.page.formats import Formats
from ferraris.headend.page.words import Words

__all__ = ["Look", "Part", "View"]

Found = TypeVar("Found")


@dataclass(slots=True)
class Look:
    """What the gathering functions work with; `zone` is that of the head-end.

    `looks` are operations and whose personal data they looked at, for the audit log.
    """

    house: House
    caller: Caller
    connection: Connection
    words: Words
    zone: tzinfo
    now: float
    path: str
    query: Mapping[str, str]
    subject: str = ""
    target: float = 0.98
    looks: list[tuple[str, str]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """Where operations work for this caller."""
        return Desk(self.house, self.caller, self.connection, self.subject)

    @property
    def formats(self) -> Formats:
        """Numbers and times in the head-end's zone."""
        return Formats(self.words, self.zone)

    def ask(self, function: Callable[..., Found], **arguments: Any) -> Found:
        """What an operation that changes nothing gives this caller, in the view of this page.

        Raises `ForbiddenError` without its right. Whose personal data it looked at is kept in
        `looks`, with its name, for the audit log.
        """
        operation: Operation = function.operation  # type: ignore[attr-defined]
        desk = self.desk
        if operation.right is not None:
            desk.demand(operation.right)
        found = function(desk, **arguments)
        self.looks += [(operation.name, each) for each in desk.looks]
        return found

    def may(self, right: Right) -> bool:
        """Whether the caller has a right for some meter at least."""
        return right in self.caller.rights

    def once(self, name: str, made: Callable[[Look], Found]) -> Found:
        """What several parts of a page need, found once."""
        if name not in self.kept:
            self.kept[name] = made(self)
        return self.kept[name]  # type: ignore[no-any-return]

    def address(self, **changes: str) -> str:
        """The address of this page with some of its query changed; an empty value goes."""
        query = {**self.query, **changes}
        text = urlencode({key: value for key, value in query.items() if value})
        path = quote(self.path)
        return f"{path}?{text}" if text else path


@dataclass(frozen=True, slots=True)
class Part:
    """A section of a page that is fetched again by itself.

    `kinds` are those of `store.changes` that make it old, `every_s` how often it does so by itself.
    """

    name: str
    kinds: tuple[str, ...]
    gather: Callable[[Look], Mapping[str, Any]]
    every_s: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """A page: its template, its place in the navigation, its parts, and what stands around them."""

    template: str
    here: str
    parts: Mapping[str, Part]
    gather: Callable[[Look], Mapping[str, Any]]
