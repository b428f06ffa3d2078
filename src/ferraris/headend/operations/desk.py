"""Where an operation works: who asks, in which transaction, and what the head-end has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select, true

from ferraris.headend.access.rights import Right
from ferraris.headend.audit import Journal
from ferraris.headend.operations.errors import ForbiddenError, NotFoundError
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import METER

if TYPE_CHECKING:
    from ferraris.keys import Keys

__all__ = ["Caller", "Desk", "House", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to hear how far a long operation is: (done, all, remark)."""

    tell: Callable[..., None]


@dataclass(frozen=True, slots=True)
class House:
    """What a running head-end has; `clock` is UTC in epoch seconds.

    `parts` are further rooms by the type that an operation asks for (`House.part`); `journal` is
    the chain of the audit log that this process writes.
    """

    engine: Engine
    keys: Keys
    clock: Callable[[], float]
    parts: Mapping[type, Any] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)

    def part(self, kind: type[Any]) -> Any:
        """A room of the running head-end; `NotFoundError` where this process does not run it."""
        try:
            return self.parts[kind]
        except KeyError:
            raise NotFoundError(f"this process does not run the {kind.__name__}") from None


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal of a tenant, and per right the meters it holds for: None for all of them.

    A selection is of `meter.id`, as the queries of groups give it.
    """

    name: str
    tenant: int
    rights: Mapping[Right, Select[Any] | None]
    principal: int = 0


@dataclass(slots=True)
class Desk:
    """One request: `connection` is a view, or the transaction of an operation that changes.

    `subject` is what the line of the audit log names; an operation sets it where its path does
    not already tell. `detail` goes into that line: no secrets, no readings. `looks` names whose
    personal data an operation has looked at, with what is true of that look alone: a line each is
    written before the answer goes. Where one names many meters at once, as a group does, `among`
    are their numbers.
    """

    house: House
    caller: Caller
    connection: Connection
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    looks: dict[str, dict[str, Any]] = field(default_factory=dict)
    among: Collection[int] = ()

    @property
    def tenant(self) -> int:
        """The tenant whose rows may be seen."""
        return self.caller.tenant

    @property
    def now(self) -> float:
        """UTC in epoch seconds."""
        return self.house.clock()

    def demand(self, right: Right) -> None:
        """Raise `ForbiddenError` unless the caller has the right for at least one meter."""
        if right not in self.caller.rights:
            raise ForbiddenError(f"{self.caller.name} lacks the right to {right}")

    def demand_everywhere(self, right: Right) -> None:
        """Raise `ForbiddenError` unless the caller has the right for the whole tenant."""
        self.demand(right)
        if self.caller.rights[right] is not None:
            raise ForbiddenError(
                f"{self.caller.name} has the right to {right} for some meters only"
            )

    def visible(self, right: Right) -> ColumnElement[bool]:
        """The condition on `meter` rows that the caller has the right for."""
        self.demand(right)
        among = self.caller.rights[right]
        mine = METER.c.tenant == self.tenant
        return mine & (true() if among is None else METER.c.id.in_(among))

    def meter(self, external_id: str, right: Right) -> Row[Any]:
        """The row of a meter; `NotFoundError` when it is not there or not for the caller."""
        self.subject = self.subject or external_id
        self.demand(right)
        among = self.caller.rights[right]
        wanted = _METER if among is None else _METER.where(METER.c.id.in_(among))
        asked = {"of_tenant": self.tenant, "name": external_id}
        found = self.connection.execute(wanted, asked).one_or_none()
        if found is None:
            raise NotFoundError(f"no meter {external_id!r}")
        return found


# Made once: most requests begin with it.
_METER = select(METER).where(
    METER.c.tenant == bindparam("of_tenant"), METER.c.external_id == bindparam("name")
)
