"""What needs somebody, as the rooms tell it: plain records, with the caller's rights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_, select

from ferraris.headend.access.rights import Right
from ferraris.headend.page.look import Look
from ferraris.headend.store.tables.collecting import COMMAND, CONTACT, LACK
from ferraris.headend.store.tables.inventory import METER, NODE, STRANGER
from ferraris.headend.store.tables.readings import ALARM
from ferraris.headend.store.tables.validated import FINAL

__all__ = [
    "Alarm",
    "Command",
    "Doubt",
    "Reason",
    "Silent",
    "Stranger",
    "alarms",
    "commands",
    "doubts",
    "reasons",
    "silent",
    "strangers",
]

_EPOCH: Final = date(1970, 1, 1)
_DAY_S: Final = 86_400
_UNDER_WAY: Final = ("queued", "running")


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


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that nobody has acknowledged."""

    meter: str
    name: str
    times: int
    last_s: float


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who announced itself and waits for a decision."""

    identity: str
    peer: str
    reason: str
    times: int
    last_s: float


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked of a meter."""

    number: int
    meter: str
    kind: str
    state: str
    by: str
    at_s: float
    ended_s: float | None
    result: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A day of a meter that validation doubts."""

    meter: str
    day: date
    suspect: int
    estimated: int
    missing: int


def _troubles(look: Look) -> Any:
    """Meter and reason: of its contact as a whole, else of something it lacks."""
    seen = look.desk.visible(Right.SEE_METERS)
    contact = (
        select(METER.c.id.label("meter"), CONTACT.c.reason.label("reason"))
        .join(CONTACT, CONTACT.c.meter == METER.c.id)
        .where(seen, CONTACT.c.state.in_(("waiting", "held")))
    )
    lack = (
        select(METER.c.id.label("meter"), func.min(LACK.c.reason).label("reason"))
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
            CONTACT.c.state,
            CONTACT.c.message,
            CONTACT.c.not_before_s,
        )
        .select_from(trouble)
        .join(METER, METER.c.id == trouble.c.meter)
        .outerjoin(NODE, NODE.c.id == METER.c.node)
        .outerjoin(CONTACT, CONTACT.c.meter == METER.c.id)
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


def alarms(look: Look, limit: int) -> tuple[int, list[Alarm]]:
    """How many alarms wait for somebody, and the newest."""
    open_ = and_(look.desk.visible(Right.SEE_METERS), ALARM.c.acknowledged_s.is_(None))
    joined = ALARM.join(METER, METER.c.id == ALARM.c.meter)
    rows = look.connection.execute(
        select(METER.c.external_id, ALARM.c.name, ALARM.c.times, ALARM.c.last_s)
        .select_from(joined)
        .where(open_)
        .order_by(ALARM.c.last_s.desc())
        .limit(limit)
    )
    found = [Alarm(row.external_id, row.name, row.times, row.last_s) for row in rows]
    return _count(look, select(func.count()).select_from(joined).where(open_)), found


def strangers(look: Look, limit: int) -> tuple[int, list[Stranger]]:
    """How many strangers wait for a decision, and those who came last."""
    look.desk.demand(Right.SEE_METERS)
    waiting = and_(STRANGER.c.tenant == look.caller.tenant, STRANGER.c.decision == "")
    rows = look.connection.execute(
        select(STRANGER).where(waiting).order_by(STRANGER.c.last_s.desc()).limit(limit)
    )
    found = [Stranger(row.identity, row.peer, row.reason, row.times, row.last_s) for row in rows]
    return _count(look, select(func.count()).select_from(STRANGER).where(waiting)), found


def commands(look: Look, limit: int, meter: str = "") -> tuple[int, list[Command]]:
    """How many commands are under way, and the newest of all, or of one meter."""
    seen = look.desk.visible(Right.SEE_METERS)
    if meter:
        seen = and_(seen, METER.c.external_id == meter)
    joined = COMMAND.join(METER, METER.c.id == COMMAND.c.meter)
    rows = look.connection.execute(
        select(COMMAND, METER.c.external_id)
        .select_from(joined)
        .where(seen)
        .order_by(COMMAND.c.id.desc())
        .limit(limit)
    )
    found = [
        Command(
            row.id,
            row.external_id,
            row.kind,
            row.state,
            row.requested_by,
            row.requested_s,
            row.ended_s,
            row.result,
        )
        for row in rows
    ]
    running = and_(seen, COMMAND.c.state.in_(_UNDER_WAY))
    return _count(look, select(func.count()).select_from(joined).where(running)), found


def doubts(look: Look, limit: int) -> tuple[int, list[Doubt]]:
    """How many meters have suspect or missing values in the last week, and the newest days."""
    first = int(look.now // _DAY_S) - 7
    latest = (
        select(
            FINAL.c.meter,
            FINAL.c.profile,
            FINAL.c.channel,
            FINAL.c.day,
            func.max(FINAL.c.version).label("version"),
        )
        .where(FINAL.c.tenant == look.caller.tenant, FINAL.c.day >= first)
        .group_by(FINAL.c.meter, FINAL.c.profile, FINAL.c.channel, FINAL.c.day)
        .subquery()
    )
    keys = ("meter", "profile", "channel", "day", "version")
    rows = look.connection.execute(
        select(
            METER.c.external_id,
            FINAL.c.day,
            func.max(FINAL.c.suspect).label("suspect"),
            func.max(FINAL.c.estimated).label("estimated"),
            func.max(FINAL.c.missing).label("missing"),
        )
        .select_from(FINAL)
        .join(latest, and_(*(FINAL.c[key] == latest.c[key] for key in keys)))
        .join(METER, METER.c.id == FINAL.c.meter)
        .where(look.desk.visible(Right.SEE_READINGS), or_(FINAL.c.suspect > 0, FINAL.c.missing > 0))
        .group_by(METER.c.external_id, FINAL.c.day)
        .order_by(FINAL.c.day.desc(), METER.c.external_id)
    ).all()
    found = [
        Doubt(
            row.external_id,
            _EPOCH + timedelta(days=row.day),
            row.suspect,
            row.estimated,
            row.missing,
        )
        for row in rows[:limit]
    ]
    return len({row.external_id for row in rows}), found


def _count(look: Look, query: Select[Any]) -> int:
    return int(look.connection.execute(query).scalar_one())
