"""Operations on final values: their columns beside what came, their sums, their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.data import units
from ferraris.headend.access.rights import Right
from ferraris.headend.operations.desk import Desk
from ferraris.headend.operations.errors import NotFoundError
from ferraris.headend.operations.operation import operation
from ferraris.headend.operations.privacy import look, sealer_of
from ferraris.headend.store.exchange import canonical
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.store.tables.validated import FINAL
from ferraris.headend.vee import Made, Quality
from ferraris.headend.vee.columns_series import DaySum, FinalSeries, final_series, month_sums
from ferraris.headend.vee.exceptions import FinalVersion, names_of, span_of_day, versions
from ferraris.headend.vee.local_days import DAY_S, number_of

__all__ = [
    "MOST_DAYS",
    "FinalColumns",
    "FinalSums",
    "Sum",
    "channel_of",
    "list_final_versions",
    "look",
    "moment_of",
    "profile_of",
    "sealer_of",
    "show_final",
    "sum_final",
]

MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class FinalColumns:
    """Final values of one channel; values count ten to the power of `scaler` of `unit`.

    `final` is null where nothing is known at all, `raw` where nothing came. `findings` are what
    the rules found, in words; a column where nothing was found is empty.
    """

    channel: str
    unit: str
    scaler: int
    ends: list[datetime]
    final: list[int | None]
    raw: list[int | None]
    quality: list[str]
    rule: list[str]
    findings: list[list[str]]
    version: list[int]
    erased_days: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of a local day or month, which its first day names, and how good it is."""

    date: str
    total: int
    intervals: int
    suspect: int
    estimated: int
    edited: int
    missing: int


@dataclass(frozen=True, slots=True)
class FinalSums:
    """The sums of one channel."""

    channel: str
    unit: str
    scaler: int
    sums: list[Sum]


@operation("GET /meters/{meter}/final", command="final show", right=Right.SEE_READINGS)
def show_final(
    desk: Desk, meter: str, profile: str, since: datetime, until: datetime, channel: str = ""
) -> list[FinalColumns]:
    """Show the final values of a meter that end after one moment, up to another."""
    found = _series(desk, meter, profile, since, until, channel)
    return [_columns(each) for each in found]


@operation("GET /meters/{meter}/final/sums", command="final sums", right=Right.SEE_READINGS)
def sum_final(
    desk: Desk,
    meter: str,
    profile: str,
    since: datetime,
    until: datetime,
    channel: str = "",
    by: str = "day",
) -> list[FinalSums]:
    """Sum the final values of a meter by local day or by month."""
    if by not in ("day", "month"):
        raise UsageError(f"by: day or month, not {by[:40]!r}")
    made = []
    for each in _series(desk, meter, profile, since, until, channel):
        sums = each.day_sums if by == "day" else month_sums(each.day_sums)
        key = each.channel
        made.append(
            FinalSums(key.name, units.unit(key.unit).symbol, key.scaler, list(map(_sum, sums)))
        )
    return made


@operation("GET /meters/{meter}/final/versions", command="final versions", right=Right.SEE_READINGS)
def list_final_versions(desk: Desk, meter: str, profile: str, day: date) -> list[FinalVersion]:
    """List the versions of a local day, the newest first."""
    row = desk.meter(meter, Right.SEE_READINGS)
    number = profile_of(desk, profile)
    span = span_of_day(desk.connection, row.id, number, number_of(day))
    if span is None:
        return []
    look(desk, row, span)
    return versions(desk.connection, row.id, number, number_of(day))


def _series(
    desk: Desk, meter: str, profile: str, since: datetime, until: datetime, channel: str
) -> list[FinalSeries]:
    row = desk.meter(meter, Right.SEE_READINGS)
    number = profile_of(desk, profile)
    span = int(since.timestamp()), int(until.timestamp())
    if not 0 < span[1] - span[0] <= MOST_DAYS * DAY_S:
        raise UsageError(f"until: after since, at most {MOST_DAYS} days")
    channels = [channel_of(desk, row.id, number, channel)] if channel else None
    look(desk, row, span)
    return final_series(
        desk.connection, sealer_of(desk), row.id, number, span, channels=channels
    )  # fmt: skip


def _columns(series: FinalSeries) -> FinalColumns:
    key = series.channel
    qualities = {each.value: each.name.lower() for each in Quality}
    rules = {each.value: each.name.lower().replace("_", " ") for each in Made}
    return FinalColumns(
        key.name,
        units.unit(key.unit).symbol,
        key.scaler,
        [moment_of(end) for end in series.ends],
        series.final,
        series.raw,
        [qualities[each] for each in series.quality],
        [rules[each] for each in series.rule],
        [names_of(each) for each in series.findings] if any(series.findings) else [],
        series.version,
        series.erased_days,
    )


def _sum(one: DaySum) -> Sum:
    return Sum(
        one.date, one.total, one.intervals, one.suspect, one.estimated, one.edited, one.missing
    )  # fmt: skip


def profile_of(desk: Desk, name: str) -> int:
    """The number of a profile."""
    found = desk.connection.execute(
        select(PROFILE.c.id).where(
            PROFILE.c.tenant == desk.tenant, PROFILE.c.obis == canonical(name)
        )
    ).scalar()
    if found is None:
        raise NotFoundError(f"no profile {name[:60]!r}")
    return int(found)


def channel_of(desk: Desk, meter: int, profile: int, name: str) -> int:
    """The channel of a name that the meter had final values of last: others may have its name."""
    found = desk.connection.execute(
        select(CHANNEL.c.id)
        .join(FINAL, FINAL.c.channel == CHANNEL.c.id)
        .where(
            CHANNEL.c.tenant == desk.tenant,
            CHANNEL.c.name == canonical(name),
            FINAL.c.meter == meter,
            FINAL.c.profile == profile,
        )
        .order_by(FINAL.c.day.desc())
        .limit(1)
    ).scalar()
    if found is None:
        raise NotFoundError(f"no final values of {name[:60]!r}")
    return int(found)


def moment_of(seconds: float) -> datetime:
    """A moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
