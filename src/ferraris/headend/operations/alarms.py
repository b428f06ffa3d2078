"""Operations on alarms: what meters want to be noticed, and who has seen it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from sqlalchemy import Row, select

from ferraris.core.errors import UsageError
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.alarms import acknowledge
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.paging import Page, checked_limit, number_after, page
from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import ALARM

__all__ = ["Acknowledgement", "AlarmView", "acknowledge_alarm", "list_alarms"]

_LONGEST_COMMENT: Final = 500


@dataclass(frozen=True, slots=True)
class AlarmView:
    """Something a meter wants to be noticed; it lasts until `cleared`."""

    number: int
    meter: str
    name: str
    source: str
    raised: datetime
    last: datetime
    times: int
    cleared: datetime | None
    acknowledged: datetime | None
    acknowledged_by: str
    comment: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What somebody who has seen an alarm says about it."""

    comment: Annotated[str, "At most 500 characters; it stays with the alarm."] = ""


_SILENT: Final = Acknowledgement()


@operation("GET /alarms", command="alarms list", right=Right.SEE_METERS)
def list_alarms(
    desk: Desk,
    meter: str = "",
    lasting: Annotated[bool, "Only alarms that are not over."] = False,
    unseen: Annotated[bool, "Only alarms that nobody has acknowledged."] = False,
    after: str = "",
    limit: int = 100,
) -> Page[AlarmView]:
    """List alarms, the newest first."""
    wanted = (
        select(ALARM, METER.c.external_id)
        .join(METER, METER.c.id == ALARM.c.meter)
        .where(desk.visible(Right.SEE_METERS))
    )
    if meter:
        wanted = wanted.where(ALARM.c.meter == desk.meter(meter, Right.SEE_METERS).id)
    if lasting:
        wanted = wanted.where(ALARM.c.cleared_s.is_(None))
    if unseen:
        wanted = wanted.where(ALARM.c.acknowledged_s.is_(None))
    if after:
        wanted = wanted.where(ALARM.c.id < number_after(after))
    rows = desk.connection.execute(
        wanted.order_by(ALARM.c.id.desc()).limit(checked_limit(limit) + 1)
    ).all()
    return page(rows, limit, _alarm_view, lambda row: row.id)


@operation("POST /alarms/{alarm}/acknowledge", command="alarms acknowledge", right=Right.COMMAND)
def acknowledge_alarm(desk: Desk, alarm: int, body: Acknowledgement = _SILENT) -> AlarmView:
    """Say that somebody has seen an alarm; it lasts until the meter says that it is over.

    The first who does so counts.
    """
    comment = body.comment.strip()
    if len(comment) > _LONGEST_COMMENT or not all(c.isprintable() or c in "\r\n" for c in comment):
        raise UsageError(f"a comment is at most {_LONGEST_COMMENT} printable characters")
    wanted = (
        select(ALARM, METER.c.external_id)
        .join(METER, METER.c.id == ALARM.c.meter)
        .where(ALARM.c.id == alarm, desk.visible(Right.COMMAND))
    )
    row = desk.connection.execute(wanted).one_or_none()
    if row is None:
        raise NotFoundError(f"no alarm {alarm}")
    by = desk.caller.name
    if acknowledge(desk.connection, desk.tenant, alarm, by, desk.now, comment=comment):
        detail = {"alarm": row.name, "state": "acknowledged"}
        note(desk.connection, desk.tenant, "alarm", row.external_id, at_s=desk.now, detail=detail)
    desk.detail |= {"meter": row.external_id, "alarm": row.name}
    return _alarm_view(desk.connection.execute(wanted).one())


def _alarm_view(row: Row[Any]) -> AlarmView:
    return AlarmView(
        row.id,
        row.external_id,
        row.name,
        row.source,
        _moment(row.raised_s),
        _moment(row.last_s),
        row.times,
        None if row.cleared_s is None else _moment(row.cleared_s),
        None if row.acknowledged_s is None else _moment(row.acknowledged_s),
        row.acknowledged_by,
        row.comment,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
