"""One request for a page: who looks, in which language and zone, and at what."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from sqlalchemy import Connection

from ferraris.headend.access.rights import Right
from ferraris.headend.operations import Caller, Desk, House, Operation
from ferraris.headend.page.formats import Formats
from ferraris.headend.page.words import Words

__all__ = ["Look", "Memory", "Part", "View"]

Found = TypeVar("Found")
Memory = dict[Hashable, tuple[Hashable, Any]]
"""What a site remembers from one request to the next: by name, with the state it was made in."""

_MOST: Final = 100


@dataclass(slots=True)
class Look:
    """What the gathering functions work with; `zone` is that of the head-end.

    `looked` are operations, each with the desk at which it looked at personal data, for the audit
    log.
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
    memory: Memory = field(default_factory=dict)
    looked: list[tuple[str, Desk]] = field(default_factory=list)
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

        Raises `ForbiddenError` without its right. Whose personal data it looked at is kept for
        the audit log, under its name.
        """
        operation: Operation = function.operation  # type: ignore[attr-defined]
        desk = self.desk
        if operation.right is not None:
            desk.demand(operation.right)
        found = function(desk, **arguments)
        self.keep(operation.name, desk)
        return found

    def keep(self, action: str, desk: Desk) -> None:
        """Keep for the audit log whose personal data a desk looked at, and from when it was."""
        if desk.looks:
            desk.detail = {"by": "page"} | desk.detail
            self.looked.append((action, desk))

    def may(self, right: Right) -> bool:
        """Whether the caller has a right for some meter at least."""
        return right in self.caller.rights

    def once(self, name: str, made: Callable[[Look], Found]) -> Found:
        """What several parts of a page need, found once."""
        if name not in self.kept:
            self.kept[name] = made(self)
        return self.kept[name]  # type: ignore[no-any-return]

    def remembered(self, name: Hashable, state: Hashable, made: Callable[[], Found]) -> Found:
        """What only changes when `state` does, also over requests."""
        known = self.memory.get(name)
        if known is None or known[0] != state:
            known = state, made()
            if len(self.memory) >= _MOST:
                self.memory.clear()
            self.memory[name] = known
        return known[1]

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
