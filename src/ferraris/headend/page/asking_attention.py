"""What needs somebody, as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import and_, case, func, or_, select

from ferraris.headend.access.rights import Right
from ferraris.headend.collect.commands import ENDED, Command
from ferraris.headend.collect.commands import commands as all_commands
from ferraris.headend.operations.alarms import AlarmView, list_alarms
from ferraris.headend.operations.registration import StrangerView, list_strangers
from ferraris.headend.operations.validation import list_exceptions
from ferraris.headend.page.look import Look
from ferraris.headend.store.tables.collecting import COMMAND, CONTACT, LACK
from ferraris.headend.store.tables.inventory import METER, NODE
from ferraris.headend.vee.exceptions import DayException

__all__ = [
    "Reason",
    "Silent",
    "alarms",
    "commands",
    "doubts",
    "reasons",
    "silent",
    "strangers",
]

_MANY: Final = 500
_WEEK: Final = 7
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Reason:
    """Why reads are missing, and of how many meters."""

    reason: str
    meters: int


@dataclass(frozen=True, slots=True)
class Silent:
    """A meter of which something is missing; `silent_days` None when it was never heard."""

    meter: str
    node: str
    reason: str
    message: str
    silent_days: int | None
    next_s: float | None
    held: bool


def _troubles(look: Look) -> Any:
    """Meter and reason: of its contact as a whole, else of something it lacks."""
    seen = look.desk.visible(Right.SEE_METERS)
    contact = (
        select(
            METER.c.id.label("meter"),
            CONTACT.c.reason.label("reason"),
            CONTACT.c.message.label("message"),
            CONTACT.c.not_before_s.label("not_before_s"),
            CONTACT.c.state.label("state"),
        )
        .join(CONTACT, CONTACT.c.meter == METER.c.id)
        .where(seen, CONTACT.c.state.in_(("waiting", "held")))
    )
    lack = (
        select(
            METER.c.id.label("meter"),
            func.min(LACK.c.reason).label("reason"),
            func.min(LACK.c.message).label("message"),
            func.min(LACK.c.not_before_s).label("not_before_s"),
            case((func.min(LACK.c.held) == 1, "held"), else_="waiting").label("state"),
        )
        .join(LACK, LACK.c.meter == METER.c.id)
        .outerjoin(
            CONTACT,
            and_(CONTACT.c.meter == METER.c.id, CONTACT.c.state.in_(("waiting", "held"))),
        )
        .where(seen, CONTACT.c.meter.is_(None))
        .group_by(METER.c.id)
    )
    return contact.union_all(lack).subquery()


def reasons(look: Look) -> Sequence[Reason]:
    """Why meters are missing, the most frequent first."""
    trouble = _troubles(look)
    rows = look.connection.execute(
        select(trouble.c.reason, func.count().label("meters"))
        .group_by(trouble.c.reason)
        .order_by(func.count().desc(), trouble.c.reason)
    )
    return [Reason(row.reason, row.meters) for row in rows]


def silent(look: Look, reason: str, after: str, limit: int) -> tuple[list[Silent], str]:
    """Meters of which something is missing, longest silent first, and where the list goes on."""
    trouble = _troubles(look)
    heard = func.coalesce(METER.c.heard_s, 0.0)
    query = (
        select(
            METER.c.external_id,
            METER.c.heard_s,
            NODE.c.name.label("node"),
            trouble.c.reason,
            trouble.c.state,
            trouble.c.message,
            trouble.c.not_before_s,
        )
        .select_from(trouble)
        .join(METER, METER.c.id == trouble.c.meter)
        .outerjoin(NODE, NODE.c.id == METER.c.node)
        .order_by(heard, METER.c.external_id)
        .limit(limit + 1)
    )
    if reason:
        query = query.where(trouble.c.reason == reason)
    if after:
        at, _, name = after.partition(" ")
        query = query.where(_behind(heard, at, name))
    rows = look.connection.execute(query).all()
    more = ""
    if len(rows) > limit:
        last = rows[limit - 1]
        more = f"{last.heard_s or 0.0} {last.external_id}"
    return [_silent(look, row) for row in rows[:limit]], more


def _behind(heard: Any, at: str, name: str) -> Any:
    try:
        value = float(at)
    except ValueError:
        value = 0.0
    return or_(heard > value, and_(heard == value, METER.c.external_id > name))


def _silent(look: Look, row: Any) -> Silent:
    days = None if row.heard_s is None else max(0, int((look.now - row.heard_s) // _DAY_S))
    later = row.not_before_s if row.not_before_s and row.not_before_s > look.now else None
    return Silent(
        row.external_id,
        row.node or "",
        row.reason,
        row.message or "",
        days,
        later,
        row.state == "held",
    )


def alarms(look: Look) -> tuple[bool, list[AlarmView]]:
    """The newest alarms that nobody has acknowledged; whether there are more of them."""
    found = look.ask(list_alarms, unseen=True, limit=_MANY)
    return bool(found.next), found.items


def strangers(look: Look) -> tuple[bool, list[StrangerView]]:
    """Who waits for a decision, those who came last first; whether there are more of them."""
    found = look.ask(list_strangers, limit=_MANY)
    return bool(found.next), sorted(found.items, key=lambda each: each.last, reverse=True)


def commands(look: Look, limit: int, meter: str = "") -> tuple[int, list[Command]]:
    """How many commands are under way, and the newest of all, or of one meter."""
    seen = look.desk.visible(Right.SEE_METERS)
    if meter:
        seen &= METER.c.external_id == meter
    running = look.connection.execute(
        select(func.count())
        .select_from(COMMAND.join(METER, METER.c.id == COMMAND.c.meter))
        .where(seen, COMMAND.c.state.not_in(ENDED))
    ).scalar_one()
    return int(running), all_commands(look.connection, look.caller.tenant, seen, limit=limit)


def doubts(look: Look) -> tuple[bool, list[DayException]]:
    """Days of the last week that validation doubts, the newest first; whether there are more."""
    today = look.formats.local(look.now).date()
    found = look.ask(list_exceptions, since=today - timedelta(days=_WEEK), until=today, limit=_MANY)
    return bool(found.next), found.items
