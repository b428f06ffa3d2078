"""What belongs to a local day of a plan, of which meters it is there, since when, and what is lost.

Counted from blocks and reads, for all meters of a plan or for one of them. Registers have no past:
those of a day that nobody read in its openings are gone, unless a billing or daily profile of the
plan has kept them: then they are taken from there, and not gone as long as that is chased.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Connection, TextClause, bindparam, select, text, true

from ferraris.headend.collect.plan import BILLING, PROFILE, REGISTERS, Item, Plan
from ferraris.headend.collect.plans import KnownPlan, answers_of, profile_numbers
from ferraris.headend.collect.target import SUB_METER
from ferraris.headend.collect.windows import local_day, midnight, period_begins
from ferraris.headend.store.blocks import DAY_S, day_of
from ferraris.headend.store.tables.collecting import PLAN_METER
from ferraris.headend.store.tables.inventory import METER

__all__ = ["Count", "Lost", "Place", "Tally"]

_NEVER: Final = 1 << 60
_BILLING_SLACK_S: Final = 6 * 3600


def _for_all_and_one(statement: str, *lists: str) -> tuple[TextClause, TextClause]:
    """A question about all meters of a tenant, and the same about one of them."""
    of_one = statement.replace("tenant = :tenant", "tenant = :tenant AND meter = :meter")
    expanding: list[BindParameter[Any]] = [bindparam(name, expanding=True) for name in lists]
    return text(statement).bindparams(*expanding), text(of_one).bindparams(*expanding)


_WHOLE: Final = _for_all_and_one(
    """
SELECT meter, MIN(stored_s) FROM block
WHERE tenant = :tenant AND profile = :profile AND day = :day AND rows >= :expected GROUP BY meter
"""
)
_PARTS: Final = _for_all_and_one(
    """
SELECT meter, layout, rows, stored_s FROM block
WHERE tenant = :tenant AND profile = :profile AND day = :day AND rows < :expected
ORDER BY stored_s, version
"""
)
_ANY: Final = _for_all_and_one(
    """
SELECT meter, MIN(stored_s) FROM block
WHERE tenant = :tenant AND profile = :profile AND day BETWEEN :first AND :last AND rows > 0
GROUP BY meter
"""
)
_KEPT: Final = _for_all_and_one(
    """
SELECT meter, MIN(stored_s) FROM block
WHERE tenant = :tenant AND profile = :profile AND day BETWEEN :first AND :last AND rows > 0
  AND layout IN :layouts
GROUP BY meter
""",
    "layouts",
)
_READS: Final = _for_all_and_one(
    """
SELECT meter, MIN(read_s) FROM register_read
WHERE tenant = :tenant AND day BETWEEN :first AND :last AND read_s >= :since_s
  AND read_s < :until_s AND layout IN :layouts
GROUP BY meter
""",
    "layouts",
)


class Place(NamedTuple):
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
    counts: Mapping[Place, tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class Lost:
    """A meter that lost a local day: registers that nobody read then, and nobody can any more."""

    meter: int
    day: int
    registers: tuple[str, ...]


class _Wanted(NamedTuple):
    """A thing that belongs to a day: since when each meter's is there; gone where it is not."""

    item: Item
    there: Mapping[int, int]
    gone: bool = False


class Count:
    """Counting for one plan, or one meter of it; what days share is looked up once."""

    def __init__(
        self, connection: Connection, tenant: int, known: KnownPlan, meter: int | None = None
    ) -> None:
        self._connection = connection
        self._meter = meter
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
            .where(
                PLAN_METER.c.plan == known.number,
                true() if meter is None else PLAN_METER.c.meter == meter,
            )
        )  # fmt: skip
        # Days before a meter was here are read, and nobody's success or failure.
        before = known.plan.before_days
        self._members = [
            (row[0], row[1] + before, row[2] if row[2] is not None else _NEVER,
             Place(row[3] or 0, row[4], row[5]), row[6] == SUB_METER)
            for row in rows
        ]  # fmt: skip
        self._there: dict[tuple[str, int, int], dict[int, int]] = {}

    def day(self, day: int, now: float) -> Tally:
        sums: dict[Place, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        deadline_s = self._plan.deadline_of(day)
        for meter, place, mine in self._due(day, now):
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
        final = self._is_final(day, now)
        return Tally(self._known.number, self._plan.name, day, deadline_s, final, counts)

    def lost(self, day: int, now: float) -> Iterator[Lost]:
        """The meters of which something of the day is gone."""
        for meter, _, mine in self._due(day, now):
            gone = [each.item for each in mine if each.gone and meter not in each.there]
            names = dict.fromkeys(name for item in gone for name in item.registers)
            if names:
                yield Lost(meter, day, tuple(names))

    def _is_final(self, day: int, now: float) -> bool:
        oldest = local_day(now, self._plan.zone) - self._plan.back_days - 1
        return day < oldest and now > self._plan.deadline_of(day)

    def _due(self, day: int, now: float) -> Iterator[tuple[int, Place, list[_Wanted]]]:
        """The meters of which something of a day is due, and what."""
        wanted: dict[bool, list[_Wanted]] = {False: [], True: []}
        for each in self._wanted(day, now, self._is_final(day, now)):
            wanted[each.item.of_sub_meters].append(each)
        for meter, since, until, place, is_sub_meter in self._members:
            mine = wanted[is_sub_meter]
            if since <= day < until and mine:
                yield meter, place, mine

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

    def _asked(self, question: tuple[TextClause, TextClause], key: dict[str, Any]) -> Any:
        if self._meter is None:
            return self._connection.execute(question[0], key)
        return self._connection.execute(question[1], key | {"meter": self._meter})

    def _rows(self, profile: str, utc_day: int, expected: int) -> Mapping[int, int]:
        found = self._there.get((profile, utc_day, expected))
        if found is not None:
            return found
        key = {"tenant": self._tenant, "profile": self._profiles.get(profile, -1), "day": utc_day,
               "expected": expected}  # fmt: skip
        found = {row[0]: row[1] for row in self._asked(_WHOLE, key)}
        parts: dict[int, dict[int, int]] = defaultdict(dict)
        for meter, layout, rows, stored_s in self._asked(_PARTS, key):
            mine = parts[meter]
            mine[layout] = max(rows, mine.get(layout, 0))
            if sum(mine.values()) >= expected:
                found[meter] = min(found.get(meter, _NEVER), stored_s)
        self._there[profile, utc_day, expected] = found
        return found

    def _billed(self, item: Item, begin: int) -> Mapping[int, int]:
        key = {"tenant": self._tenant, "profile": self._profiles.get(item.name, -1),
               "first": day_of(begin), "last": day_of(begin + _BILLING_SLACK_S)}  # fmt: skip
        return {row[0]: row[1] for row in self._asked(_ANY, key)}

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
        there = {row[0]: int(row[1]) for row in self._asked(_READS, key)}
        item = self._known.items[number]
        keepers = list(self._keepers(item, end))
        for keeper in keepers:
            key = {"tenant": self._tenant, "profile": self._profiles.get(keeper.name, -1),
                   "first": day_of(end), "last": day_of(end + _BILLING_SLACK_S),
                   "layouts": sorted(self._answers.get(number, ())) or [-1]}  # fmt: skip
            for meter, stored_s in self._asked(_KEPT, key):
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
