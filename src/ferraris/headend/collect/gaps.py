"""The gap list: what is due until now and not there. It is the work queue, and nobody fills it.

It is derived from plans, blocks, register reads and log reads whenever somebody asks, over all
plans at once, so that what several plans want from a meter is read once. Only what a gap waits for
is kept: a time or a human (`lack`), and for a meter as a whole also a worker (`contact`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from ferraris.headend.collect import gap_statements as sql
from ferraris.headend.collect.plan import (
    ALARMS,
    BILLING,
    LOG,
    PROFILE,
    REGISTERS,
    Item,
    Plan,
)
from ferraris.headend.collect.sleeping import sleeps_until
from ferraris.headend.collect.target import ACTIVE, Target
from ferraris.headend.collect.windows import Opening, period_begins
from ferraris.headend.store.blocks import DAY_S, day_of

__all__ = ["WINDOW", "AtWork", "Gap", "GapList", "MeterGaps", "answering"]

WINDOW: Final = 256
_MASK_DAYS: Final = 60  # bits of a day mask that fit a number of the database
_BILLING_SLACK_S: Final = 6 * 3600  # a billing row may be stamped so much after its midnight
_FAR_S: Final = 1 << 40


class Gap(NamedTuple):
    """One thing that is due from a meter and not there.

    `day` is a UTC day, of registers and logs that in which the opening began. The rows wanted are
    those with `since_s < end <= until_s`. The rest says what it waits for: `held` for a human,
    otherwise for `not_before_s`, from `since_when` on; `reason` is why the last try failed.
    """

    item: int
    day: int
    since_s: int
    until_s: int
    part: bool = False  # the first rows of the day are there, so only the rest is asked for
    again: bool = False  # it is there, and an operator wants it read once more
    held: bool = False
    tries: int = 0
    not_before_s: float = 0.0
    reason: str = ""
    message: str = ""
    since_when: float = 0.0


@dataclass(frozen=True, slots=True)
class AtWork:
    """A plan whose window is open: until when rows are due, and since when registers are."""

    number: int
    plan: Plan
    items: Mapping[int, Item]
    opening: Opening
    until_s: int
    since_s: int

    @classmethod
    def at(
        cls, number: int, plan: Plan, items: Mapping[int, Item], now: float, *, always: bool = False
    ) -> AtWork | None:
        """The plan as it is at a moment; None when it rests, which with `always` it never does."""
        opening = plan.opening(now)
        if opening is None and always:
            opening = _last_opening(plan, now)
        if opening is None or not plan.active:
            return None
        return cls(number, plan, items, opening, plan.due_until(now), plan.due_since(now))


@dataclass(slots=True)
class MeterGaps:
    """All gaps of a meter, and how things stand with it (`contact`).

    What can be read through its association besides are the gaps of those `behind` it. How things
    stand with a sub-meter is how they stand with its host.
    """

    target: Target
    priority: int = 9
    gaps: list[Gap] = field(default_factory=list)
    state: str = ""
    worker: int | None = None
    tries: int = 0
    since_s: float = 0.0
    not_before_s: float = 0.0
    reason: str = ""
    message: str = ""
    heard_s: float | None = None
    behind: list[MeterGaps] = field(default_factory=list)
    channel_since_s: float | None = None

    def why(self, now: float) -> tuple[str, str]:
        """What the meter as a whole waits for, or its host: reason and message."""
        target = self.target
        if (until := sleeps_until(target, now)) is not None:
            return "asleep", f"sleeps until {until:%Y-%m-%dT%H:%MZ}"
        if target.host_state != ACTIVE:
            return "host", f"{target.host_name} is {target.host_state}"
        if target.host and self.reason:
            return "host", f"{target.host_name}: {self.message or self.reason}"
        return self.reason, self.message


class _Wanted(NamedTuple):
    """What some plans want of a profile: these bound one question to the store."""

    item: int
    first_day: int
    until_s: int


class GapList:
    """The gaps of a tenant's meters under some plans at a moment."""

    def __init__(
        self,
        tenant: int,
        plans: Sequence[AtWork],
        profiles: Mapping[str, int],
        answers: Mapping[int, frozenset[int]],
    ) -> None:
        self._tenant = tenant
        self._plans = {each.number: each for each in plans}
        self._items: dict[int, Item] = {}
        for each in plans:
            self._items |= each.items
        self._profiles = profiles
        self._answers = answers
        self._oldest = min((day_of(each.since_s + 1) for each in plans), default=0)

    @property
    def items(self) -> Mapping[int, Item]:
        """What the numbers of items mean."""
        return self._items

    def windows(
        self, connection: Connection, *, after: int = 0, limit: int = WINDOW
    ) -> Iterator[list[MeterGaps]]:
        """All meters that have gaps, in order and in windows, so that memory stays bounded."""
        at: int | None = after
        while at is not None:
            found, at = self.window(connection, at, limit)
            if found:
                yield found

    def window(
        self, connection: Connection, after: int, limit: int = WINDOW
    ) -> tuple[list[MeterGaps], int | None]:
        """Those with gaps among the next `limit` meters, and after which to go on, if at all."""
        if not self._plans:
            return [], None
        _plan_each(connection)
        key = {"tenant": self._tenant, "after": after, "most": limit, "plans": list(self._plans)}
        rows = connection.execute(sql.METERS, key).fetchall()
        if not rows:
            return [], None
        end = rows[-1].id if len(rows) == limit else None
        return self._found(connection, rows, rows[0].id, rows[-1].id), end

    def of(self, connection: Connection, meters: Collection[int]) -> list[MeterGaps]:
        """The gaps of these meters."""
        if not self._plans or not meters:
            return []
        _plan_each(connection)
        key = {"tenant": self._tenant, "meters": sorted(meters), "plans": list(self._plans)}
        rows = connection.execute(sql.METERS_AMONG, key).fetchall()
        return self._found(connection, rows, min(meters), max(meters)) if rows else []

    def _found(
        self, connection: Connection, rows: Sequence[Any], first: int, last: int
    ) -> list[MeterGaps]:
        meters = {
            row.id: MeterGaps(
                Target.of(row), state=row.state or "", worker=row.worker, tries=row.tries or 0,
                since_s=row.since_s or 0.0, not_before_s=row.not_before_s or 0.0,
                reason=row.reason or "",
                message=row.message or "", heard_s=row.heard_s,
                channel_since_s=row.channel_since_s,
            )
            for row in rows
        }  # fmt: skip
        look = _Look(self, connection, meters, first, last)
        look.members()
        look.profiles()
        look.billing()
        look.registers()
        look.logs()
        look.rereads()
        look.lacks()
        return [each for each in meters.values() if each.gaps]


class _Look:
    """One window of the gap list in the making."""

    def __init__(
        self,
        gaps: GapList,
        connection: Connection,
        meters: dict[int, MeterGaps],
        first: int,
        last: int,
    ) -> None:
        self._gaps = gaps
        self._connection = connection
        self._meters = meters
        self._plans = gaps._plans
        self._items = gaps._items
        self._range = {"first": first, "last": last}
        # plan: meter -> the days (since, until) for which it is a member
        self._members: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
        self._found: dict[tuple[int, int, int], Gap] = {}

    def _rows(self, statement: Any, **key: Any) -> Iterator[Any]:
        """Rows of a statement that begin with a meter, of the meters looked at."""
        known = self._meters
        for row in self._connection.execute(statement, self._range | key):
            if row[0] in known:
                yield row

    def members(self) -> None:
        for meter, plan, since, until in self._rows(sql.MEMBERS, plans=list(self._plans)):
            self._members[plan][meter] = (since, _FAR_S if until is None else until)
            found = self._meters[meter]
            found.priority = min(found.priority, self._plans[plan].plan.priority)

    def _having(self, work: AtWork, item: Item) -> Iterator[tuple[int, tuple[int, int]]]:
        """The members that have an item: sub-meters the ones of channels, all others the rest."""
        known, of_sub_meters = self._meters, item.of_sub_meters
        for meter, days in self._members[work.number].items():
            if bool(known[meter].target.host) is of_sub_meters:
                yield meter, days

    def profiles(self) -> None:
        wanted: dict[_Wanted, dict[int, tuple[int, int]]] = defaultdict(dict)
        for work in self._plans.values():
            for number, item in work.items.items():
                if item.kind == PROFILE:
                    first = day_of(work.since_s + 1)
                    here = wanted[_Wanted(number, first, work.until_s)]
                    for meter, days in self._having(work, item):
                        here[meter] = _wider(here.get(meter), days)
        for want, members in wanted.items():
            self._profile(want, self._items[want.item], members)

    def _profile(
        self, want: _Wanted, item: Item, members: Mapping[int, tuple[int, int]]
    ) -> None:  # fmt: skip
        full, last_day = DAY_S // item.period_s, day_of(want.until_s)
        part = min((want.until_s - last_day * DAY_S) // item.period_s, full)
        for low in range(want.first_day, last_day + 1, _MASK_DAYS):
            high = min(low + _MASK_DAYS - 1, last_day)
            key = {"profile": self._gaps._profiles.get(item.name, -1), "low": low, "high": high,
                   "full": full, "part": part, "part_day": last_day}  # fmt: skip
            there = {row[0]: (row[1], row[2]) for row in self._rows(sql.COMPLETE_DAYS, **key)}
            begun = [meter for meter, (_, some) in there.items() if some and meter in members]
            have = self._have(begun, key)
            whole = (1 << (high - low + 1)) - 1
            if not part:
                whole &= ~(1 << (last_day - low)) if high == last_day else whole
            for meter, (since, until) in members.items():
                missing = whole & ~there.get(meter, (0, 0))[0]
                while missing:
                    bit = missing & -missing
                    missing ^= bit
                    day = low + bit.bit_length() - 1
                    if since <= day < until:
                        end = min((day + 1) * DAY_S, want.until_s)
                        there_s = have.get((meter, day), 0) * item.period_s
                        self._add(
                            meter, Gap(want.item, day, day * DAY_S + there_s, end, there_s > 0)
                        )

    def _have(self, meters: Sequence[int], key: Mapping[str, Any]) -> dict[tuple[int, int], int]:
        """How many rows there are of days that are not complete."""
        if not meters:
            return {}
        rows = self._connection.execute(sql.BEGUN_DAYS, {**key, "meters": meters})
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def billing(self) -> None:
        for work in self._plans.values():
            for number, item in work.items.items():
                if item.kind != BILLING:
                    continue
                begins = period_begins(item.each, work.plan.zone, work.since_s, work.until_s)
                days = sorted({d for b in begins for d in _days_of_begin(b)})
                key = {"profile": self._gaps._profiles.get(item.name, -1), "days": days or [0]}
                there = {(row[0], row[1]) for row in self._rows(sql.DAYS_THERE, **key)}
                for meter, (since, until) in self._having(work, item):
                    for begin in begins:
                        day = day_of(begin)
                        if not since <= day < until:
                            continue
                        if not any((meter, each) in there for each in _days_of_begin(begin)):
                            end = begin + _BILLING_SLACK_S
                            self._add(meter, Gap(number, day, begin - 1, end))

    def registers(self) -> None:
        wanted = [
            (number, item, work)
            for work in self._plans.values()
            for number, item in work.items.items()
            if item.kind == REGISTERS
        ]
        if not wanted:
            return
        since_s = min(work.opening.start_s for *_, work in wanted)
        key = {"since_s": since_s, "since_day": since_s // DAY_S - 1}
        newest: dict[int, dict[int, int]] = defaultdict(dict)
        for meter, layout, read_s in self._rows(sql.READS_SINCE, **key):
            newest[meter][layout] = read_s
        for number, item, work in wanted:
            start_s, answers = work.opening.start_s, self._gaps._answers.get(number, frozenset())
            day = start_s // DAY_S
            for meter, (since, until) in self._having(work, item):
                read = newest.get(meter, {})
                if since <= day < until and not any(
                    at >= start_s and layout in answers for layout, at in read.items()
                ):
                    self._add(meter, Gap(number, day, start_s, _FAR_S))

    def logs(self) -> None:
        wanted = [
            (number, item, work)
            for work in self._plans.values()
            for number, item in work.items.items()
            if item.kind in (LOG, ALARMS)
        ]
        if not wanted:
            return
        read = {(row[0], row[1]): (row[2], row[3]) for row in self._rows(sql.LOGS_READ)}
        for number, item, work in wanted:
            day = work.opening.start_s // DAY_S
            for meter, (since, until) in self._having(work, item):
                until_s, read_s = read.get((meter, item.name), (0, -1))
                if since <= day < until and read_s < work.opening.start_s:
                    self._add(meter, Gap(number, day, until_s, _FAR_S))

    def rereads(self) -> None:
        for meter, item, day in self._rows(sql.REREADS):
            if item not in self._items:
                continue
            known = self._found.get((meter, item, day))
            if known is None:
                since_s, until_s = day * DAY_S, (day + 1) * DAY_S
                if self._items[item].kind in (REGISTERS, LOG, ALARMS):
                    since_s, until_s = 0, _FAR_S
                known = Gap(item, day, since_s, until_s)
            self._found[meter, item, day] = known._replace(
                again=True, part=False, since_s=min(known.since_s, day * DAY_S)
            )

    def lacks(self) -> None:
        oldest = self._gaps._oldest - 1
        for meter, item, day, *rest in self._rows(sql.LACKS, oldest=oldest):
            known = self._found.get((meter, item, day))
            if known is None:
                continue
            held, tries, not_before_s, reason, message, since_when = rest
            since_s = known.since_s
            if known.part:  # the hole is not at the end: ask for the whole day
                since_s = day * DAY_S
            self._found[meter, item, day] = known._replace(
                part=False, since_s=since_s, held=bool(held), tries=tries,
                not_before_s=not_before_s, reason=reason, message=message,
                since_when=since_when,
            )  # fmt: skip
        for (meter, _, _), gap in self._found.items():
            found = self._meters[meter]
            known_since_s = found.channel_since_s
            if known_since_s is not None and known_since_s > gap.since_s:
                if known_since_s >= gap.until_s:
                    continue  # then another device was on the channel
                gap = gap._replace(since_s=int(known_since_s))
            found.gaps.append(gap)

    def _add(self, meter: int, gap: Gap) -> None:
        """Two plans that want the same are one gap, as long as the longer of both."""
        key = (meter, gap.item, gap.day)
        known = self._found.get(key)
        if known is not None:
            gap = gap._replace(
                since_s=min(gap.since_s, known.since_s), until_s=max(gap.until_s, known.until_s)
            )
        self._found[key] = gap


def answering(
    items: Mapping[int, Item], layouts: Iterable[tuple[int, frozenset[str]]],
    noted: Iterable[tuple[int, int]],
) -> dict[int, frozenset[int]]:  # fmt: skip
    """Which layouts of register reads answer which item: those that have all of its registers.

    `noted` are (item, layout) of meters that have no more than that.
    """
    found: dict[int, set[int]] = defaultdict(set)
    wanted = {number: set(item.registers) for number, item in items.items() if item.registers}
    for layout, names in layouts:
        for number, registers in wanted.items():
            if registers <= names:
                found[number].add(layout)
    for number, layout in noted:
        found[number].add(layout)
    return {number: frozenset(each) for number, each in found.items()}


def _plan_each(connection: Connection) -> None:
    """PostgreSQL: windows differ too much for one plan of execution, and are not compiled."""
    if connection.dialect.name == "postgresql":
        connection.execute(sql.PLAN_EACH)


def _wider(known: tuple[int, int] | None, days: tuple[int, int]) -> tuple[int, int]:
    return days if known is None else (min(known[0], days[0]), max(known[1], days[1]))


def _days_of_begin(begin: int) -> tuple[int, ...]:
    """The UTC days in which the row of a billing period that begins then can be."""
    first, last = day_of(begin), day_of(begin + _BILLING_SLACK_S)
    return (first,) if first == last else (first, last)


def _last_opening(plan: Plan, now: float) -> Opening | None:
    """The opening that was last, for meters that come when they want."""
    at = now
    for _ in range(9):
        at -= DAY_S
        opening = plan.next_opening(at)
        if opening.start_s <= now:
            while (later := plan.next_opening(opening.start_s)).start_s <= now:
                opening = later
            return opening
    return None
