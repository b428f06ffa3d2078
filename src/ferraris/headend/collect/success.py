"""Read success: of how many meters everything of a day was there by its deadline.

It is counted from blocks and reads, so it is right for any day and deadline, also in the past, and
changes while gaps are still chased; afterwards it is final. A day is a local day of the plan; what
counts are profiles, billing rows and registers, not event logs.

Registers have no past. Those of a day that nobody read in its openings are lost, and the day with
them, unless a billing or daily profile of the plan has kept them: then they are taken from there,
and as long as that profile is chased the day is only missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text

from ferraris.headend.collect.plan import BILLING, PROFILE, REGISTERS, Item, Plan
from ferraris.headend.collect.plans import KnownPlan, answers_of, profile_numbers
from ferraris.headend.collect.target import SUB_METER
from ferraris.headend.collect.windows import local_day, midnight, period_begins
from ferraris.headend.store import changes
from ferraris.headend.store.blocks import DAY_S, day_of
from ferraris.headend.store.tables.collecting import PLAN_METER, READ_SUCCESS
from ferraris.headend.store.tables.inventory import METER

__all__ = ["Tally", "arrivals", "count_success", "days_to_count", "write_success"]

_NEVER: Final = 1 << 60
_BILLING_SLACK_S: Final = 6 * 3600

_WHOLE: Final = text(
    """
SELECT meter, MIN(stored_s) FROM block
WHERE tenant = :tenant AND profile = :profile AND day = :day AND rows >= :expected GROUP BY meter
"""
)
_PARTS: Final = text(
    """
SELECT meter, layout, rows, stored_s FROM block
WHERE tenant = :tenant AND profile = :profile AND day = :day AND rows < :expected
ORDER BY stored_s, version
"""
)
_ANY: Final = text(
    """
SELECT meter, MIN(stored_s) FROM block
WHERE tenant = :tenant AND profile = :profile AND day BETWEEN :first AND :last AND rows > 0
GROUP BY meter
"""
)
_KEPT: Final = text(
    """
SELECT meter, MIN(stored_s) FROM block
WHERE tenant = :tenant AND profile = :profile AND day BETWEEN :first AND :last AND rows > 0
  AND layout IN :layouts
GROUP BY meter
"""
).bindparams(bindparam("layouts", expanding=True))
_READS: Final = text(
    """
SELECT meter, MIN(read_s) FROM register_read
WHERE tenant = :tenant AND day BETWEEN :first AND :last AND read_s >= :since_s
  AND read_s < :until_s AND layout IN :layouts
GROUP BY meter
"""
).bindparams(bindparam("layouts", expanding=True))


class _Place(NamedTuple):
    """By what read success is told apart."""

    node: int
    model: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Read success of a plan for a local day; `counts` has (due, in time, late, lost)."""

    plan: int
    name: str
    day: int
    deadline_s: int
    final: bool
    counts: Mapping[_Place, tuple[int, int, int, int]]


class _Wanted(NamedTuple):
    """A thing that belongs to a day: since when each meter's is there; gone where it is not."""

    item: Item
    there: Mapping[int, int]
    gone: bool = False


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
    count = _Count(connection, tenant, known)
    return [count.day(day, now) for day in days]


def arrivals(connection: Connection, tenant: int, known: KnownPlan, day: int) -> list[int]:
    """When everything of a local day was there (UTC seconds), of each meter of which it is.

    In order; by the rules of `count_success`, so that both tell the same.
    """
    return sorted(_Count(connection, tenant, known).arrivals(day))


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
            _Place(row.node, row.model, row.firmware): (row.due, row.in_time, row.late, row.lost)
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


class _Count:
    """Counting for one plan; what days share is looked up once."""

    def __init__(self, connection: Connection, tenant: int, known: KnownPlan) -> None:
        self._connection = connection
        self._tenant = tenant
        self._known = known
        self._plan: Plan = known.plan
        self._profiles = profile_numbers(connection, tenant, known.items)
        self._answers = answers_of(connection, tenant, known.items)
        rows = connection.execute(
            select(
                PLAN_METER.c.meter, PLAN_METER.c.since_day, PLAN_METER.c.until_day,
                METER.c.node, METER.c.model, METER.c.firmware, METER.c.kind,
            )
            .join(METER, METER.c.id == PLAN_METER.c.meter)
            .where(PLAN_METER.c.plan == known.number)
        )  # fmt: skip
        # Days before a meter was here are read, and nobody's success or failure.
        before = known.plan.before_days
        self._members = [
            (row[0], row[1] + before, row[2] if row[2] is not None else _NEVER,
             _Place(row[3] or 0, row[4], row[5]), row[6] == SUB_METER)
            for row in rows
        ]  # fmt: skip
        self._there: dict[tuple[str, int, int], dict[int, int]] = {}

    def day(self, day: int, now: float) -> Tally:
        plan = self._plan
        deadline_s = plan.deadline_of(day)
        final = day < local_day(now, plan.zone) - plan.back_days - 1 and now > deadline_s
        wanted: dict[bool, list[_Wanted]] = {False: [], True: []}
        for each in self._wanted(day, now, final):
            wanted[each.item.of_sub_meters].append(each)
        sums: dict[_Place, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        if any(wanted.values()):
            for meter, since, until, place, is_sub_meter in self._members:
                mine = wanted[is_sub_meter]
                if not since <= day < until or not mine:
                    continue
                done_s = max(each.there.get(meter, _NEVER) for each in mine)
                count = sums[place]
                count[0] += 1
                if done_s <= deadline_s:
                    count[1] += 1
                elif done_s < _NEVER:
                    count[2] += 1
                elif any(each.gone and meter not in each.there for each in mine):
                    count[3] += 1
        counts = {place: (each[0], each[1], each[2], each[3]) for place, each in sums.items()}
        return Tally(self._known.number, plan.name, day, deadline_s, final, counts)

    def arrivals(self, day: int) -> Iterator[int]:
        """Since when everything of the day is there, of each meter of which it is."""
        latest: dict[bool, Mapping[int, int]] = {False: {}, True: {}}
        begun: set[bool] = set()
        for each in self._wanted(day, 0.0, False):
            kind = each.item.of_sub_meters
            latest[kind] = _later(latest[kind], each.there) if kind in begun else each.there
            begun.add(kind)
        for meter, since, until, _, is_sub_meter in self._members:
            done_s = latest[is_sub_meter].get(meter, _NEVER)
            if since <= day < until and done_s < _NEVER:
                yield done_s

    def _wanted(self, day: int, now: float, final: bool) -> Iterator[_Wanted]:
        """For each thing that belongs to a day: since when each meter's is there."""
        begin, end = midnight(day, self._plan.zone), midnight(day + 1, self._plan.zone)
        for number, item in self._known.items.items():
            if item.kind == PROFILE:
                for utc_day in range(day_of(begin + 1), day_of(end) + 1):
                    start = utc_day * DAY_S
                    expected = (min(start + DAY_S, end) - start) // item.period_s
                    if expected:
                        yield _Wanted(item, self._rows(item.name, utc_day, expected))
            elif item.kind == BILLING:
                if period_begins(item.each, self._plan.zone, end - 1, end):
                    yield _Wanted(item, self._billed(item, end))
            elif item.kind == REGISTERS:
                yield from self._read(number, begin, end, now, final)

    def _rows(self, profile: str, utc_day: int, expected: int) -> Mapping[int, int]:
        found = self._there.get((profile, utc_day, expected))
        if found is not None:
            return found
        key = {"tenant": self._tenant, "profile": self._profiles.get(profile, -1), "day": utc_day,
               "expected": expected}  # fmt: skip
        found = {row[0]: row[1] for row in self._connection.execute(_WHOLE, key)}
        parts: dict[int, dict[int, int]] = defaultdict(dict)
        for meter, layout, rows, stored_s in self._connection.execute(_PARTS, key):
            mine = parts[meter]
            mine[layout] = max(rows, mine.get(layout, 0))
            if sum(mine.values()) >= expected:
                found[meter] = min(found.get(meter, _NEVER), stored_s)
        self._there[profile, utc_day, expected] = found
        return found

    def _billed(self, item: Item, begin: int) -> Mapping[int, int]:
        key = {"tenant": self._tenant, "profile": self._profiles.get(item.name, -1),
               "first": day_of(begin), "last": day_of(begin + _BILLING_SLACK_S)}  # fmt: skip
        return {row[0]: row[1] for row in self._connection.execute(_ANY, key)}

    def _read(
        self, number: int, begin: int, end: int, now: float, final: bool
    ) -> Iterator[_Wanted]:
        """Registers of a day are read in an opening after it; where there is none, none is due."""
        since_s, until_s = begin, end
        if self._plan.reach != "now":
            day = local_day(end, self._plan.zone)
            since_s, until_s = end, midnight(day + 1, self._plan.zone)
        if self._plan.next_opening(since_s - 1).start_s >= until_s:
            return
        key = {"tenant": self._tenant, "first": since_s // DAY_S - 1, "last": until_s // DAY_S,
               "since_s": since_s, "until_s": until_s,
               "layouts": sorted(self._answers.get(number, ())) or [-1]}  # fmt: skip
        there = {row[0]: int(row[1]) for row in self._connection.execute(_READS, key)}
        item = self._known.items[number]
        keepers = list(self._keepers(item, end))
        for keeper in keepers:
            key = {"tenant": self._tenant, "profile": self._profiles.get(keeper.name, -1),
                   "first": day_of(end), "last": day_of(end + _BILLING_SLACK_S),
                   "layouts": sorted(self._answers.get(number, ())) or [-1]}  # fmt: skip
            for meter, stored_s in self._connection.execute(_KEPT, key):
                there[meter] = min(there.get(meter, _NEVER), stored_s)
        yield _Wanted(item, there, gone=now >= until_s and (final or not keepers))

    def _keepers(self, registers: Item, end: int) -> Iterator[Item]:
        """The billing and daily profiles of the plan that have a row for the end of a day."""
        for item in self._known.items.values():
            if item.of_sub_meters is not registers.of_sub_meters:
                continue
            is_daily = item.kind == PROFILE and item.period_s == DAY_S
            if is_daily or (
                item.kind == BILLING and period_begins(item.each, self._plan.zone, end - 1, end)
            ):
                yield item


def _later(one: Mapping[int, int], other: Mapping[int, int]) -> Mapping[int, int]:
    """Since when both are there, of the meters that have both."""
    return {meter: max(at, other[meter]) for meter, at in one.items() if meter in other}


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
