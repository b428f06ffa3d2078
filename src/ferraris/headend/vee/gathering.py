"""What a run needs to know, read in windows of meters: zones, blocks, versions before, edits.

Nothing here changes anything. Sealed bodies are opened; days of an erased customer are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, or_, select

from ferraris.headend.store.heard import register_of
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.records import ChannelKey
from ferraris.headend.store.sealing import ErasedError, Sealer, seal_context
from ferraris.headend.store.tables.collecting import ITEM
from ferraris.headend.store.tables.inventory import METER, SERVICE_POINT, SERVICE_POINT_METER
from ferraris.headend.store.tables.readings import BLOCK, CHANNEL, LAYOUT, PROFILE, REGISTER_READ
from ferraris.headend.store.tables.validated import FINAL, HUMAN_EDIT

__all__ = [
    "Block",
    "Catalogue",
    "Decided",
    "MeterFacts",
    "Mount",
    "ReadBody",
    "Version",
    "block_days",
    "blocks_of",
    "decisions_of",
    "facts_of",
    "known_days",
    "opened",
    "reads_of",
    "unfinished",
    "versions_of",
    "windows",
    "with_more",
]

WINDOW = 500  # meters in one statement


class Block(NamedTuple):
    """The newest version of a block, in the clear."""

    meter: int
    profile: int
    day: int
    layout: int
    body: bytes


class ReadBody(NamedTuple):
    """Registers of a meter that were read at about one moment, in the clear."""

    meter: int
    day: int
    read_s: int
    layout: int
    registers: int
    body: bytes


class Mount(NamedTuple):
    """A meter measures for a service point in a time zone, `since_s` to `until_s` (None: still)."""

    since_s: int
    until_s: int | None
    zone: str


class MeterFacts(NamedTuple):
    """What there is to know about a meter."""

    zone: str
    medium: str
    mounts: tuple[Mount, ...]

    def mount_of(self, start_s: int, end_s: int) -> Mount | None:
        """The last mount that covers a part of a time."""
        found = None
        for mount in self.mounts:
            if mount.since_s < end_s and (mount.until_s is None or mount.until_s > start_s):
                found = mount
        return found


class Version(NamedTuple):
    """The newest version of a final day; `body` in the clear, None when its customer was erased."""

    meter: int
    profile: int
    channel: int
    day: int
    number: int
    start_s: int
    period_s: int
    intervals: int
    rules: str
    body: bytes | None


class Decided(NamedTuple):
    """The newest decision of a human about one value; `kind` is set, accept or rules."""

    meter: int
    profile: int
    channel: int
    end_s: int
    kind: str
    value: int | None
    raw: int | None


class Catalogue:
    """Names and channels by their numbers; they never change, so they are remembered."""

    def __init__(self) -> None:
        self._channels: dict[int, ChannelKey] = {}
        self._layouts: dict[int, tuple[int, ...]] = {}
        self._profiles: dict[int, str] = {}

    def profile(self, connection: Connection, number: int) -> str:
        """The OBIS code of a profile."""
        if number not in self._profiles:
            query = select(PROFILE.c.obis).where(PROFILE.c.id == number)
            self._profiles[number] = str(connection.execute(query).scalar_one())
        return self._profiles[number]

    def layout(self, connection: Connection, number: int) -> tuple[int, ...]:
        """The channels of a layout, in the order of its columns."""
        if number not in self._layouts:
            query = select(LAYOUT.c.channels).where(LAYOUT.c.id == number)
            found = json.loads(connection.execute(query).scalar_one())
            self._layouts[number] = tuple(map(int, found))
        return self._layouts[number]

    def channels(self, connection: Connection, numbers: Iterable[int]) -> dict[int, ChannelKey]:
        """Channels by number."""
        wanted = set(numbers)
        if missing := wanted - self._channels.keys():
            names = ChannelKey._fields
            query = select(CHANNEL.c.id, *(CHANNEL.c[name] for name in names))
            for row in connection.execute(query.where(CHANNEL.c.id.in_(missing))):
                self._channels[row[0]] = ChannelKey(*row[1:])
        return {number: self._channels[number] for number in wanted if number in self._channels}

    def of_intervals(self, connection: Connection, tenant: int) -> list[int]:
        """The channels that tell what each interval brought, by their OBIS codes."""
        query = select(CHANNEL.c.id, CHANNEL.c.name).where(
            CHANNEL.c.tenant == tenant, CHANNEL.c.is_obis == 1
        )
        return [number for number, name in connection.execute(query) if name != register_of(name)]

    @staticmethod
    def periods(connection: Connection, tenant: int) -> dict[str, int]:
        """The periods of profiles that plans want, where they agree."""
        found = connection.execute(
            select(ITEM.c.name, func.min(ITEM.c.period_s))
            .where(ITEM.c.tenant == tenant, ITEM.c.kind == "profile", ITEM.c.period_s > 0)
            .group_by(ITEM.c.name)
            .having(func.min(ITEM.c.period_s) == func.max(ITEM.c.period_s))
        )
        return {str(name): int(period) for name, period in found}


def windows(meters: Iterable[int]) -> Iterator[list[int]]:
    """Meters in lots that one statement takes."""
    ordered = sorted(set(meters))
    for start in range(0, len(ordered), WINDOW):
        yield ordered[start : start + WINDOW]


def facts_of(connection: Connection, meters: Collection[int]) -> dict[int, MeterFacts]:
    """Zone, medium and mounts of meters."""
    mounts: defaultdict[int, list[Mount]] = defaultdict(list)
    found: dict[int, MeterFacts] = {}
    at = SERVICE_POINT_METER
    for lot in windows(meters):
        query = (
            select(at.c.meter, at.c.since_s, at.c.until_s, SERVICE_POINT.c.zone)
            .join(SERVICE_POINT, SERVICE_POINT.c.id == at.c.service_point)
            .where(at.c.meter.in_(lot))
            .order_by(at.c.since_s)
        )
        for meter, since_s, until_s, zone in connection.execute(query):
            if until_s is None or until_s > since_s:
                mounts[meter].append(Mount(since_s, until_s, zone))
        query_meters = select(METER.c.id, METER.c.zone, METER.c.medium).where(METER.c.id.in_(lot))
        for meter, zone, medium in connection.execute(query_meters):
            found[meter] = MeterFacts(zone, medium, tuple(mounts[meter]))
    return found


def blocks_of(
    connection: Connection,
    sealer: Sealer,
    meters: Collection[int],
    profile: int | None,
    days: tuple[int, int],
) -> list[Block]:
    """The newest versions of a profile's blocks - of all profiles for None - on UTC days."""
    found = []
    for lot in windows(meters):
        query: Select[Any] = select(
            BLOCK.c.meter, BLOCK.c.profile, BLOCK.c.day, BLOCK.c.layout, BLOCK.c.version,
            BLOCK.c.seal, BLOCK.c.body,
        ).where(
            BLOCK.c.meter.in_(lot),
            BLOCK.c.day.between(*days),
            is_newest(BLOCK, days),
        )  # fmt: skip
        if profile is not None:
            query = query.where(BLOCK.c.profile == profile)
        for *key, seal, body in connection.execute(query):
            plain = opened(sealer, "block", key, seal, body)
            if plain is not None:
                found.append(Block._make((*key[:4], plain)))
    return found


def block_days(
    connection: Connection, meter: int, profile: int, days: tuple[int, int]
) -> list[tuple[int, int]]:
    """The UTC days on which a meter has blocks of a profile, with their layouts."""
    query = (
        select(BLOCK.c.day, BLOCK.c.layout)
        .where(BLOCK.c.meter == meter, BLOCK.c.profile == profile, BLOCK.c.day.between(*days))
        .distinct()
        .order_by(BLOCK.c.day, BLOCK.c.layout)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def with_more(
    connection: Connection,
    meters: Collection[int],
    profile: int,
    utc_days: tuple[int, int],
    local_days: tuple[int, int],
) -> set[int]:
    """The meters that have blocks of a profile on any of some UTC days, or final local days."""
    found: set[int] = set()
    for lot in windows(meters):
        for table, days in ((BLOCK, utc_days), (FINAL, local_days)):
            query = (
                select(table.c.meter)
                .where(
                    table.c.meter.in_(lot), table.c.profile == profile, table.c.day.between(*days)
                )
                .distinct()
            )
            found.update(connection.execute(query).scalars())
    return found


def versions_of(
    connection: Connection,
    sealer: Sealer,
    meters: Collection[int],
    profile: int,
    days: Sequence[int],
) -> list[Version]:
    """The newest versions of final days."""
    names = ("meter", "profile", "channel", "day")
    if not days:
        return []
    span = min(days), max(days)
    found = []
    for lot in windows(meters):
        query = select(
            *(FINAL.c[name] for name in (*names, "version", "start_s", "period_s", "intervals")),
            FINAL.c.rules, FINAL.c.seal, FINAL.c.body,
        ).where(
            FINAL.c.meter.in_(lot),
            FINAL.c.profile == profile,
            FINAL.c.day.in_(days),
            is_newest(FINAL, span),
        )  # fmt: skip
        for *columns, seal, body in connection.execute(query):
            plain = opened(sealer, "final", columns[:5], seal, body)
            found.append(Version._make((*columns, plain)))
    return found


def decisions_of(
    connection: Connection, meters: Collection[int], profile: int, first_s: int, last_s: int
) -> list[Decided]:
    """The newest decisions of humans about intervals that end in `first_s < end <= last_s`."""
    found: dict[tuple[int, int, int], Decided] = {}
    names = ("meter", "profile", "channel", "end_s", "kind", "value", "raw")
    for lot in windows(meters):
        query = (
            select(*(HUMAN_EDIT.c[name] for name in names))
            .where(
                HUMAN_EDIT.c.meter.in_(lot),
                HUMAN_EDIT.c.profile == profile,
                HUMAN_EDIT.c.end_s > first_s,
                HUMAN_EDIT.c.end_s <= last_s,
            )
            .order_by(HUMAN_EDIT.c.version)
        )
        for row in connection.execute(query):
            one = Decided(*row)
            found[one.meter, one.channel, one.end_s] = one
    return list(found.values())


def reads_of(
    connection: Connection, sealer: Sealer, meters: Collection[int], days: tuple[int, int]
) -> list[ReadBody]:
    """The register reads of meters on UTC days: of each the newest version, in order of time."""
    found = []
    names = ("meter", "day", "read_s", "layout", "version")
    for lot in windows(meters):
        query = (
            select(*(REGISTER_READ.c[name] for name in names), REGISTER_READ.c.count,
                   REGISTER_READ.c.seal, REGISTER_READ.c.body)
            .where(
                REGISTER_READ.c.meter.in_(lot),
                REGISTER_READ.c.day.between(*days),
                is_newest(REGISTER_READ, days),
            )
            .order_by(REGISTER_READ.c.meter, REGISTER_READ.c.read_s)
        )  # fmt: skip
        for *key, count, seal, body in connection.execute(query):
            plain = opened(sealer, "register_read", key, seal, body)
            if plain is not None:
                found.append(ReadBody._make((*key[:4], count, plain)))
    return found


def known_days(
    connection: Connection, meter: int, profile: int, days: tuple[int, int]
) -> dict[tuple[int, int], int]:
    """How many intervals the newest final days of a meter have, by channel and local day."""
    query = select(FINAL.c.channel, FINAL.c.day, FINAL.c.intervals).where(
        FINAL.c.meter == meter,
        FINAL.c.profile == profile,
        FINAL.c.day.between(*days),
        is_newest(FINAL, days),
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def unfinished(
    connection: Connection,
    meters: Collection[int],
    days: tuple[int, int],
    always: Collection[int] = (),
) -> list[tuple[int, int, int]]:
    """The (meter, profile, local day) with values that are estimated, missing or suspect.

    Of the channels `always` those that are all valid as well.
    """
    found = []
    for lot in windows(meters):
        query = (
            select(FINAL.c.meter, FINAL.c.profile, FINAL.c.day)
            .where(
                FINAL.c.meter.in_(lot),
                FINAL.c.day.between(*days),
                or_(
                    FINAL.c.estimated > 0,
                    FINAL.c.missing > 0,
                    FINAL.c.suspect > 0,
                    FINAL.c.channel.in_(always),
                ),
            )
            .distinct()
        )
        found += [(meter, profile, day) for meter, profile, day in connection.execute(query)]
    return found


def opened(
    sealer: Sealer, table: str, key: Sequence[int], seal: int, body: bytes
) -> bytes | None:  # fmt: skip
    """A body in the clear; None when its customer was erased."""
    if not seal:
        return body
    try:
        return sealer.open(seal, body, seal_context(table, *key))
    except ErasedError:
        return None
