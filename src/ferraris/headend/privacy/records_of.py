"""What else an archive for a customer has: events, alarms, edits, sessions, and who has looked.

Each is a file with its columns, and a function that gives the rows of one meter; times are floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, select

from ferraris.headend.privacy.edges import theirs_in
from ferraris.headend.privacy.holding import Spans
from ferraris.headend.privacy.looking import looks_at
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.readings import ALARM, CHANNEL, EVENT
from ferraris.headend.store.tables.validated import HUMAN_EDIT

__all__ = ["TABLES"]

_LOOKS: Final = ("show_", "list_", "export_")
_Rows = Callable[[Connection, int, int, str, Spans], Iterator[Sequence[Any]]]


def _events(
    connection: Connection, _: int, meter: int, name: str, spans: Spans
) -> Iterator[Sequence[Any]]:
    wanted = select(EVENT).where(EVENT.c.meter == meter, theirs_in(EVENT.c.at_s, spans))
    for row in connection.execute(wanted.order_by(EVENT.c.at_s, EVENT.c.id)):
        yield name, row.log, float(row.at_s), row.code, row.detail


def _alarms(
    connection: Connection, _: int, meter: int, name: str, spans: Spans
) -> Iterator[Sequence[Any]]:
    wanted = select(ALARM).where(ALARM.c.meter == meter, theirs_in(ALARM.c.raised_s, spans))
    for row in connection.execute(wanted.order_by(ALARM.c.raised_s)):
        yield name, row.name, float(row.raised_s), float(row.last_s), row.times


def _edits(
    connection: Connection, _: int, meter: int, name: str, spans: Spans
) -> Iterator[Sequence[Any]]:
    wanted = (
        select(HUMAN_EDIT, CHANNEL.c.name.label("channel_name"), CHANNEL.c.scaler)
        .join(CHANNEL, CHANNEL.c.id == HUMAN_EDIT.c.channel)
        .where(HUMAN_EDIT.c.meter == meter, theirs_in(HUMAN_EDIT.c.end_s, spans))
    )
    for row in connection.execute(wanted.order_by(HUMAN_EDIT.c.at_s, HUMAN_EDIT.c.id)):
        edited = row.value, row.scaler, row.reason
        yield name, row.channel_name, float(row.end_s), row.kind, *edited, float(row.at_s)


def _sessions(
    connection: Connection, _: int, meter: int, name: str, spans: Spans
) -> Iterator[Sequence[Any]]:
    wanted = select(SESSION).where(SESSION.c.meter == meter, theirs_in(SESSION.c.started_s, spans))
    for row in connection.execute(wanted.order_by(SESSION.c.started_s)):
        when = float(row.started_s), float(row.ended_s)
        yield name, *when, row.occasion, row.outcome, row.intervals, row.registers, row.events


def _looks(
    connection: Connection, tenant: int, meter: int, name: str, spans: Spans
) -> Iterator[Sequence[Any]]:
    """Looks at what was measured in the customer's time, also after it; not who it was."""
    for look in looks_at(connection, tenant, meter, name):
        if look.period is not None and spans.touches(*look.period):
            yield name, look.at_s, look.action, *map(float, look.period)
        elif (
            look.period is None
            and look.action.startswith(_LOOKS)
            and spans.spans[0][0] <= look.at_s
        ):
            yield name, look.at_s, look.action, "", ""  # at what time is not said


_SESSION: Final = (
    "meter", "started", "ended", "occasion", "outcome", "intervals", "registers", "events",
)  # fmt: skip
_EDIT: Final = "meter", "channel", "time", "kind", "value", "scaler", "reason", "edited"

TABLES: Final[Mapping[str, tuple[Sequence[str], _Rows]]] = MappingProxyType(
    {
        "events.csv": (("meter", "log", "time", "code", "detail"), _events),
        "alarms.csv": (("meter", "alarm", "raised", "last", "times"), _alarms),
        "edits.csv": (_EDIT, _edits),
        "sessions.csv": (_SESSION, _sessions),
        "looks.csv": (("meter", "time", "action", "since", "until"), _looks),
    }
)
"""By the name of the file: columns, and the rows of one meter."""
