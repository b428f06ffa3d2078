"""What somebody should look at: final days with values that are suspect, estimated or missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.tables.inventory import METER
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee.local_days import date_of
from ferraris.headend.vee.quality import Finding

__all__ = [
    "DayCounts",
    "DayException",
    "FinalVersion",
    "counts_by_day",
    "exceptions",
    "names_of",
    "span_of_day",
    "versions",
]

_CONTRADICTED = int(Finding.CONTRADICTED)


@dataclass(frozen=True, slots=True)
class DayException:
    """A channel of a meter on a day that is not all valid; `findings` are names, of all of it."""

    meter: str
    profile: str
    channel: str
    date: str
    version: int
    intervals: int
    suspect: int
    estimated: int
    edited: int
    missing: int
    findings: list[str]


@dataclass(frozen=True, slots=True)
class DayCounts:
    """How good the values of a day are, over all meters that were asked for."""

    date: str
    meters: int
    intervals: int
    suspect: int
    estimated: int
    edited: int
    missing: int


@dataclass(frozen=True, slots=True)
class FinalVersion:
    """One version of a final day, without its values; `rules` is the digest of its rules."""

    channel: str
    version: int
    stored_s: int
    intervals: int
    suspect: int
    estimated: int
    edited: int
    missing: int
    findings: list[str]
    rules: str


def exceptions(
    connection: Connection,
    where: ColumnElement[bool],
    days: tuple[int, int],
    *,
    after: Sequence[int] = (),
    limit: int = 100,
) -> list[tuple[tuple[int, int, int, int], DayException]]:
    """The days with something to look at, of meters for which `where` holds, newest day first.

    Each comes with its place in the list (day, meter, profile, channel), which `after` takes.
    """
    key = (-FINAL.c.day, FINAL.c.meter, FINAL.c.profile, FINAL.c.channel)
    query = (
        _newest(
            days, FINAL.c.day, FINAL.c.meter, FINAL.c.profile, FINAL.c.channel,
            METER.c.external_id, PROFILE.c.obis, CHANNEL.c.name, FINAL.c.version,
            FINAL.c.intervals, FINAL.c.suspect, FINAL.c.estimated, FINAL.c.edited,
            FINAL.c.missing, FINAL.c.findings,
        )
        .join(PROFILE, PROFILE.c.id == FINAL.c.profile)
        .join(CHANNEL, CHANNEL.c.id == FINAL.c.channel)
        .where(
            where,
            or_(
                FINAL.c.suspect > 0,
                FINAL.c.estimated > 0,
                FINAL.c.missing > 0,
                FINAL.c.findings.op("&")(_CONTRADICTED) != 0,
            ),
        )
        .order_by(*key)
        .limit(limit)
    )  # fmt: skip
    if after:
        query = query.where(_after(after))
    found = []
    for *place, meter, profile, channel, version, intervals, s, e, h, m, findings in (
        connection.execute(query)
    ):  # fmt: skip
        day = DayException(
            meter, profile, channel, date_of(place[0]).isoformat(), version, intervals, s, e, h, m,
            names_of(findings),
        )  # fmt: skip
        found.append(((place[0], place[1], place[2], place[3]), day))
    return found


def counts_by_day(
    connection: Connection, where: ColumnElement[bool], days: tuple[int, int]
) -> list[DayCounts]:
    """How good the newest versions are, day by day."""
    names = ("intervals", "suspect", "estimated", "edited", "missing")
    query = (
        _newest(
            days,
            FINAL.c.day,
            func.count(FINAL.c.meter.distinct()),
            *(func.sum(FINAL.c[name]) for name in names),
        )
        .where(where)
        .group_by(FINAL.c.day)
        .order_by(FINAL.c.day)
    )
    return [
        DayCounts(date_of(day).isoformat(), *map(int, counts))
        for day, *counts in connection.execute(query)
    ]


def versions(
    connection: Connection, meter: int, profile: int, day: int
) -> list[FinalVersion]:  # fmt: skip
    """All versions of a day, by channel, the newest first."""
    query = (
        select(
            CHANNEL.c.name, FINAL.c.version, FINAL.c.stored_s, FINAL.c.intervals, FINAL.c.suspect,
            FINAL.c.estimated, FINAL.c.edited, FINAL.c.missing, FINAL.c.findings, FINAL.c.rules,
        )
        .join(CHANNEL, CHANNEL.c.id == FINAL.c.channel)
        .where(FINAL.c.meter == meter, FINAL.c.profile == profile, FINAL.c.day == day)
        .order_by(CHANNEL.c.name, FINAL.c.version.desc())
    )  # fmt: skip
    return [FinalVersion(*row[:8], names_of(row[8]), row[9]) for row in connection.execute(query)]


def span_of_day(
    connection: Connection, meter: int, profile: int, day: int
) -> tuple[int, int] | None:
    """When a local day with final values begins and ends, in seconds UTC; None without any."""
    end = FINAL.c.start_s + FINAL.c.period_s * FINAL.c.intervals
    query = select(func.min(FINAL.c.start_s), func.max(end)).where(
        FINAL.c.meter == meter, FINAL.c.profile == profile, FINAL.c.day == day
    )
    start_s, end_s = connection.execute(query).one()
    return None if start_s is None else (int(start_s), int(end_s))


def names_of(findings: int) -> list[str]:
    """Findings as words."""
    return [str(each.name).lower().replace("_", " ") for each in Finding if findings & each]


def _newest(days: tuple[int, int], *columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(FINAL)
        .join(METER, METER.c.id == FINAL.c.meter)
        .where(FINAL.c.day.between(*days), FINAL.c.intervals > 0, is_newest(FINAL, days))
    )


def _after(place: Sequence[int]) -> ColumnElement[bool]:
    day, meter, profile, channel = place
    return or_(
        FINAL.c.day < day,
        and_(
            FINAL.c.day == day,
            or_(
                FINAL.c.meter > meter,
                and_(
                    FINAL.c.meter == meter,
                    or_(
                        FINAL.c.profile > profile,
                        and_(FINAL.c.profile == profile, FINAL.c.channel > channel),
                    ),
                ),
            ),
        ),
    )
