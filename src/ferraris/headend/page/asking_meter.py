"""Meters as the rooms tell of them: the list, and one meter's life, events and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ferraris.core.errors import Error
from ferraris.data.readings import Event, Reading
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.inventory import Meter
from ferraris.headend.operations.collecting import (
    CommandView,
    SessionView,
    list_commands,
    list_sessions,
    show_command,
)
from ferraris.headend.operations.privacy import look as look_at
from ferraris.headend.operations.privacy import sealer_of
from ferraris.headend.operations.registration import KeyView, show_keys
from ferraris.headend.operations.service_points import AssignmentView, list_assignments
from ferraris.headend.operations.troubles import TroubleView, list_troubles
from ferraris.headend.page.look import Look
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.tables.inventory import METER

__all__ = [
    "archive",
    "behind",
    "commands",
    "events",
    "found",
    "keys",
    "point",
    "registers",
    "sessions",
    "trouble",
    "witness",
    "zone",
]

_DAY_S: Final = 86_400
_EVENT_DAYS: Final = 90
_READS: Final = 8


def found(
    look: Look, search: str, state: str, after: str, limit: int
) -> tuple[int, list[Meter], str]:
    """How many meters fit, those of a page in the order of their ids, and where it goes on."""
    fits = look.desk.visible(Right.SEE_METERS)
    if search:
        fits &= inventory.named_like(search)
    if state:
        fits &= METER.c.state == state
    connection, tenant = look.connection, look.caller.tenant
    meters = inventory.meters(connection, tenant, where=fits, after=after, limit=limit + 1)
    more = meters[limit - 1].external_id if len(meters) > limit else ""
    return inventory.count(connection, tenant, fits), meters[:limit], more


def zone(look: Look, meter: Any) -> str:
    """The time zone of the service point at which a meter measures now, or of the meter."""
    at = inventory.holder_at(look.connection, meter.id, look.now)
    if at is None:
        return str(meter.zone)
    return inventory.service_point(look.connection, look.caller.tenant, at.service_point).zone


def point(look: Look, meter: str) -> AssignmentView | None:
    """Where a meter measures now, and for whom as far as the caller may know; that is audited."""
    for each in look.ask(list_assignments, meter=meter):
        over = each.until is not None and each.until.timestamp() <= look.now
        if each.since.timestamp() <= look.now and not over:
            return each
    return None


def archive(look: Look) -> Archive:
    """The readings of the caller's tenant, those of customers opened."""
    return Archive(look.house.engine, look.caller.tenant, sealer_of(look.desk))


def witness(look: Look, meter: Any, since_s: int, until_s: int) -> None:
    """Keep for the audit log that readings of a time were looked at, if they are a customer's."""
    desk = look.desk
    look_at(desk, meter, (since_s, until_s))
    look.keep("show_readings", desk)


def registers(look: Look, meter: Any) -> Sequence[tuple[Reading, int]]:
    """The last value of every register with when it was read (UTC seconds), by name."""
    store = archive(look)
    last: dict[str, tuple[Reading, int]] = {}
    for read_s in reversed(store.reads(look.connection, meter.id, _READS)):
        for reading in store.registers(look.connection, meter.id, read_s, read_s + 1):
            last[str(reading.name)] = reading, read_s
    if last:
        moments = [read_s for _, read_s in last.values()]
        witness(look, meter, min(moments), max(moments) + 1)
    return [last[name] for name in sorted(last)]


def events(look: Look, meter: Any, limit: int) -> Sequence[Event]:
    """The newest events of the last months, the newest first."""
    until = int(look.now) + _DAY_S
    told = archive(look).events(look.connection, meter.id, until - _EVENT_DAYS * _DAY_S, until)
    return list(reversed(told[-limit:]))


def sessions(look: Look, meter: Any, limit: int) -> Sequence[SessionView]:
    """The last conversations, the newest first."""
    return look.ask(list_sessions, meter=meter.external_id, limit=limit).items


def commands(look: Look, meter: Any, limit: int) -> Sequence[CommandView]:
    """The newest commands; with what they brought, for who may give them and see readings."""
    found = look.ask(list_commands, meter=meter.external_id, limit=limit).items
    if not look.may(Right.COMMAND):
        return found
    return [look.ask(show_command, number=each.number) for each in found]


def behind(look: Look, meter: Any, limit: int) -> Sequence[Meter]:
    """What stands behind it and may be seen, such as sub-meters, in the order of their ids."""
    fits = look.desk.visible(Right.SEE_METERS) & (METER.c.behind == meter.id)
    return inventory.meters(look.connection, look.caller.tenant, where=fits, limit=limit)


def trouble(look: Look, meter: str) -> TroubleView | None:
    """Why it was tried in vain, if it was."""
    return next(iter(look.ask(list_troubles, meter=meter, limit=1).items), None)


def keys(look: Look, meter: str) -> Sequence[KeyView]:
    """Which of its keys there are; none where nobody can look."""
    try:
        found = look.ask(show_keys, meter=meter)
    except Error:  # the key store is locked, or away: that hinders nobody from seeing the rest
        return ()
    return [each for each in found if each.there or each.kind != "broadcast_key"]
