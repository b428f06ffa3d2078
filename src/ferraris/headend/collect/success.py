"""Read success: of how many meters everything of a day was there by its deadline.

It is counted from blocks and reads, so it is right for any day and deadline, also in the past, and
changes while gaps are still chased; afterwards it is final. A day is a local day of the plan; what
counts are profiles, billing rows and registers, not event logs.

Registers have no past. Those of a day that nobody read in its openings are lost, and the day with
them, unless a billing or daily profile of the plan has kept them: then they are taken from there,
and as long as that profile is chased the day is only missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from ferraris.headend.collect.day_counts import Count, Lost, Place, Tally
from ferraris.headend.collect.plans import KnownPlan
from ferraris.headend.collect.windows import local_day
from ferraris.headend.store import changes
from ferraris.headend.store.tables.collecting import PLAN_METER, READ_SUCCESS

__all__ = [
    "Lost", "Tally", "arrivals", "count_success", "days_to_count", "lost_meters", "lost_of_meter",
    "write_success",
]  # fmt: skip


def days_to_count(
    connection: Connection, tenant: int, known: KnownPlan, utc_days: Collection[int] | None,
    now: float,
) -> list[int]:  # fmt: skip
    """The local days of a plan whose success may have changed.

    `utc_days` are those for which something came in; None asks for all that can still change.
    """
    plan = known.plan
    today = local_day(now, plan.zone)
    rows = connection.execute(
        select(
            READ_SUCCESS.c.day,
            func.max(READ_SUCCESS.c.final),
            func.sum(READ_SUCCESS.c.due),
            func.sum(READ_SUCCESS.c.in_time + READ_SUCCESS.c.late + READ_SUCCESS.c.lost),
            func.min(READ_SUCCESS.c.counted_s),
        )
        .where(READ_SUCCESS.c.tenant == tenant, READ_SUCCESS.c.plan == known.number)
        .group_by(READ_SUCCESS.c.day)
    )
    # What was counted before the plan changed is as if it had not been counted, unless it is final.
    there = rows.all()
    final = {row[0] for row in there if row[1]}
    counted = {row[0]: (int(row[2]), int(row[3])) for row in there if row[4] > known.changed_s + 1}
    oldest = today - plan.back_days - 1
    if utc_days is not None:
        near = {each for day in utc_days for each in (day - 1, day, day + 1)}
        return sorted(day for day in near if oldest <= day < today and day not in final)
    days = set(range(oldest, today)) | {row[0] for row in there}
    members = _member_counts(connection, known, days)
    return sorted(
        day
        for day in days - final
        if day < today and not _is_settled(counted.get(day), members[day], day < oldest)
    )


def count_success(
    connection: Connection, tenant: int, known: KnownPlan, days: Iterable[int], now: float
) -> list[Tally]:
    """Count the read success of local days from what the store has."""
    count = Count(connection, tenant, known)
    return [count.day(day, now) for day in days]


def arrivals(connection: Connection, tenant: int, known: KnownPlan, day: int) -> list[int]:
    """When everything of a local day was there (UTC seconds), of each meter of which it is.

    In order; by the rules of `count_success`, so that both tell the same.
    """
    return sorted(Count(connection, tenant, known).arrivals(day))


def lost_meters(
    connection: Connection, tenant: int, known: KnownPlan, day: int, now: float
) -> list[Lost]:
    """The meters that lost a local day, by their numbers; those that `count_success` counts."""
    found = Count(connection, tenant, known).lost(day, now)
    return sorted(found, key=lambda each: each.meter)


def lost_of_meter(
    connection: Connection,
    tenant: int,
    known: KnownPlan,
    meter: int,
    *,
    since_day: int,
    now: float,
) -> list[Lost]:
    """The local days from one on that a meter lost under a plan, the newest first.

    Only days on which some meter was counted as lost are looked at.
    """
    c = READ_SUCCESS.c
    days = connection.execute(
        select(c.day)
        .where(c.tenant == tenant, c.plan == known.number, c.day >= since_day, c.lost > 0)
        .distinct()
        .order_by(c.day.desc())
    ).scalars().all()  # fmt: skip
    if not days:
        return []
    count = Count(connection, tenant, known, meter)
    return [each for day in days for each in count.lost(day, now)]


def write_success(connection: Connection, tenant: int, tallies: Iterable[Tally], now: float) -> int:
    """Put tallies in the place of older ones; returns how many were different, which is told."""
    different = 0
    for tally in tallies:
        rows = [
            {"tenant": tenant, "plan": tally.plan, "day": tally.day, **place._asdict(),
             "due": due, "in_time": in_time, "late": late, "lost": lost,
             "deadline_s": tally.deadline_s, "counted_s": now, "final": int(tally.final)}
            for place, (due, in_time, late, lost) in tally.counts.items()
        ]  # fmt: skip
        here = (READ_SUCCESS.c.plan == tally.plan) & (READ_SUCCESS.c.day == tally.day)
        known = {
            Place(row.node, row.model, row.firmware): (row.due, row.in_time, row.late, row.lost)
            for row in connection.execute(select(READ_SUCCESS).where(here))
        }
        if known == tally.counts and not tally.final:
            continue
        connection.execute(delete(READ_SUCCESS).where(here))
        if rows:
            connection.execute(insert(READ_SUCCESS), rows)
        if known != tally.counts:
            different += 1
            sums = [sum(column) for column in zip(*tally.counts.values(), strict=True)]
            due, in_time, late, lost = sums or (0, 0, 0, 0)
            changes.note(
                connection, tenant, "success", tally.name, at_s=now,
                detail={"day": tally.day, "due": due, "in_time": in_time, "late": late,
                        "lost": lost},
            )  # fmt: skip
    return different


def _member_counts(
    connection: Connection, known: KnownPlan, days: Iterable[int]
) -> dict[int, int]:  # fmt: skip
    rows = connection.execute(
        select(PLAN_METER.c.since_day, PLAN_METER.c.until_day, func.count())
        .where(PLAN_METER.c.plan == known.number)
        .group_by(PLAN_METER.c.since_day, PLAN_METER.c.until_day)
    ).all()
    before = known.plan.before_days
    return {
        day: sum(
            count
            for since, until, count in rows
            if since + before <= day and (until is None or day < until)
        )
        for day in days
    }


def _is_settled(known: Any, members: int, is_old: bool) -> bool:
    """Whether everything of a day is there, so that it cannot change by what comes in."""
    if is_old or known is None:
        return False
    due, there = known
    return bool(due == there == members and due)
