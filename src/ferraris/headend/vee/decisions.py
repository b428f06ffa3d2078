"""What humans decide about values: never deleted, never overruled by what arrives later.

A value can be set, what the meter said can be accepted although a rule objects, and both can be
given back to the rules. What the meter said then is kept beside it, so that a contradiction shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select

from ferraris.core.errors import UsageError
from ferraris.headend.store.due import mark_due
from ferraris.headend.store.sealing import Sealer
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.store.tables.validated import HUMAN_EDIT
from ferraris.headend.vee.gathering import Catalogue, facts_of, versions_of
from ferraris.headend.vee.local_days import day_at, hour_of

__all__ = ["About", "Decision", "DecisionKind", "decide", "decisions_about"]

MOST = 1 << 46
MOST_AT_ONCE = 10_000
_REASON = "decision"


class DecisionKind(StrEnum):
    """What a human can decide."""

    SET = "set"
    ACCEPT = "accept"
    RULES = "rules"
    """The value is given back to the rules."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about the interval that ends then; of several the newest version counts."""

    profile: str
    channel: str
    end_s: int
    version: int
    kind: str
    value: int | None
    raw: int | None
    by: str
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class About:
    """One channel of a meter."""

    tenant: int
    meter: int
    profile: int
    channel: int


def decide(
    connection: Connection,
    sealer: Sealer,
    about: About,
    kind: DecisionKind,
    values: Sequence[tuple[int, int | None]],
    *,
    by: str,
    reason: str,
    at_s: float,
) -> int:
    """Decide about intervals: pairs of end and value, which only `SET` has; returns how many.

    The days run again. Raises `UsageError` for an end at which no interval of a known day ends, a
    value that cannot be, a decision without a reason, or `ACCEPT` where nothing came.
    """
    _check(kind, values, by, reason)
    raw = _raw_of(connection, sealer, about, [end for end, _ in values])
    for end, _ in values:
        if kind is DecisionKind.ACCEPT and raw[end][1] is None:
            raise UsageError(f"nothing came for the interval that ends at {end}: set a value")
    known = _newest(connection, about, [end for end, _ in values])
    rows = [
        {
            "tenant": about.tenant,
            "meter": about.meter,
            "profile": about.profile,
            "channel": about.channel,
            "end_s": end,
            "version": known.get(end, 0) + 1,
            "kind": str(kind),
            "value": raw[end][1] if kind is DecisionKind.ACCEPT else value,
            "raw": raw[end][1],
            "by": by,
            "reason": reason,
            "at_s": at_s,
        }
        for end, value in values
    ]
    connection.execute(insert(HUMAN_EDIT), rows)
    days = {day for day, _ in raw.values()}
    keys = [(about.meter, about.profile, day) for day in days]
    mark_due(connection, about.tenant, keys, reason=_REASON, at_s=at_s, local=True)
    return len(rows)


def decisions_about(
    connection: Connection, meter: int, *, after: int = 0, limit: int = 100
) -> list[tuple[int, Decision]]:
    """The decisions about a meter, in the order in which they were made, with their numbers."""
    query = (
        select(
            HUMAN_EDIT.c.id, PROFILE.c.obis, CHANNEL.c.name, HUMAN_EDIT.c.end_s,
            HUMAN_EDIT.c.version, HUMAN_EDIT.c.kind, HUMAN_EDIT.c.value, HUMAN_EDIT.c.raw,
            HUMAN_EDIT.c.by, HUMAN_EDIT.c.reason, HUMAN_EDIT.c.at_s,
        )
        .join(PROFILE, PROFILE.c.id == HUMAN_EDIT.c.profile)
        .join(CHANNEL, CHANNEL.c.id == HUMAN_EDIT.c.channel)
        .where(HUMAN_EDIT.c.meter == meter, HUMAN_EDIT.c.id > after)
        .order_by(HUMAN_EDIT.c.id)
        .limit(limit)
    )  # fmt: skip
    return [(row[0], Decision(*row[1:])) for row in connection.execute(query)]


def _check(
    kind: DecisionKind, values: Sequence[tuple[int, int | None]], by: str, reason: str
) -> None:  # fmt: skip
    if not by.strip() or not reason.strip():
        raise UsageError("a decision needs who made it and why")
    if not 0 < len(values) <= MOST_AT_ONCE or len({end for end, _ in values}) < len(values):
        raise UsageError(f"1 to {MOST_AT_ONCE} intervals, each once")
    for end, value in values:
        if (value is not None) != (kind is DecisionKind.SET):
            raise UsageError(f"the interval that ends at {end}: a value belongs to `set` only")
        if value is not None and not 0 <= value < MOST:
            raise UsageError(f"the interval that ends at {end}: 0 to {MOST - 1}, not {value}")


def _raw_of(
    connection: Connection, sealer: Sealer, about: About, ends: Sequence[int]
) -> dict[int, tuple[int, int | None]]:
    """The local day of each end, and what the meter said about its interval."""
    from ferraris.headend.vee.columns_versions import unpack_versions  # noqa: PLC0415 - optional

    facts = facts_of(connection, [about.meter])[about.meter]
    hour = hour_of(Catalogue().profile(connection, about.profile))
    found: dict[int, tuple[int, int | None]] = {}
    days: dict[int, list[int]] = {}
    for end in ends:
        mount = facts.mount_of(end - 1, end)
        day = day_at(end, facts.zone if mount is None else mount.zone, hour)
        days.setdefault(day, []).append(end)
    for each in versions_of(connection, sealer, [about.meter], about.profile, sorted(days)):
        if each.channel != about.channel or each.body is None:
            continue
        columns = unpack_versions([each.body], each.intervals)
        for end in days[each.day]:
            place, rest = divmod(end - each.start_s, each.period_s)
            if not rest and 1 <= place <= each.intervals:
                said = columns.present[0, place - 1]
                found[end] = each.day, int(columns.raw[0, place - 1]) if said else None
    for end in ends:
        if end not in found:
            raise UsageError(f"no interval of a day with final values ends at {end}")
    return found


def _newest(connection: Connection, about: About, ends: Sequence[int]) -> dict[int, int]:
    rows = connection.execute(
        select(HUMAN_EDIT.c.end_s, func.max(HUMAN_EDIT.c.version))
        .where(
            HUMAN_EDIT.c.meter == about.meter,
            HUMAN_EDIT.c.profile == about.profile,
            HUMAN_EDIT.c.channel == about.channel,
            HUMAN_EDIT.c.end_s.in_(ends),
        )
        .group_by(HUMAN_EDIT.c.end_s)
    )
    return {int(end): int(version) for end, version in rows}
