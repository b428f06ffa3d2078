"""What validation must look at again: marks, made in the transaction that brings what is new.

A mark that is there already is marked once more, so whoever is at work on it notices. A register
that was read by itself may close a day, part lost ones and prove intervals: those are marked, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferraris.headend.store.heard import Heard, register_of
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.store.tables.validated import FINAL, VEE_DUE

__all__ = ["mark_due", "mark_heard"]

_KEY = (VEE_DUE.c.meter, VEE_DUE.c.profile, VEE_DUE.c.day)
_REGISTER: Final = "register"
_DAY_S: Final = 86_400
_LONG_S, _LONGEST_S = 82_800, 90_000  # from here on a period is a local day, 23 to 25 hours


def mark_due(
    connection: Connection,
    tenant: int,
    keys: Iterable[tuple[int, int, int]],
    *,
    reason: str,
    at_s: float,
    local: bool = False,
) -> int:
    """Mark (meter, profile, day) as due; returns how many.

    Claims of it end: whoever is at work on it has not seen what is new.
    The day is the UTC day of a block that is new; with `local` it is one local day and no other.
    """
    rows = [
        {
            "tenant": tenant,
            "meter": meter,
            "profile": profile,
            "day": day,
            "local": int(local),
            "reason": reason,
            "since_s": at_s,
            "marks": 1,
        }
        for meter, profile, day in sorted(set(keys))  # one order for all, or two would wait
    ]  # fmt: skip
    if rows:
        connection.execute(_statement(connection), rows)
    return len(rows)


def mark_heard(
    connection: Connection, tenant: int, told: Mapping[int, Iterable[Heard]], *, at_s: float
) -> int:
    """Mark the final days as due that registers of meters, which are new, may tell something.

    Those are the ones that `validation` runs again when another profile has something new: not
    all valid, or of intervals whose register is elsewhere. Returns how many.
    """
    if not told:
        return 0
    _overtake(connection, told)
    channels = _channels(connection, tenant, told)
    if not channels:
        return 0
    keys = {
        (row.meter, row.profile, row.day)
        for row in _finals(connection, tenant, told, channels)
        for each in told[row.meter]
        if channels[row.channel][:2] == each[:2] and _on_grid(row, each.at_s)
    }
    return mark_due(connection, tenant, keys, reason=_REGISTER, at_s=at_s, local=True)


def _statement(connection: Connection) -> Insert:
    """A block's mark reaches whatever a local day's does, so it stays when both meet."""
    if connection.dialect.name == "postgresql":
        made = postgresql.insert(VEE_DUE)
        return made.on_conflict_do_update(index_elements=_KEY, set_=_again(made.excluded))
    plain = sqlite.insert(VEE_DUE)
    return plain.on_conflict_do_update(index_elements=_KEY, set_=_again(plain.excluded))


def _again(new: object) -> dict[str, object]:
    given = {name: getattr(new, name) for name in ("reason", "since_s", "local")}
    return given | {
        "local": VEE_DUE.c.local * given["local"],
        "marks": VEE_DUE.c.marks + 1,
        "claimed_until_s": None,
    }


def _overtake(connection: Connection, meters: Iterable[int]) -> None:
    """Whoever is at work on these meters has not seen it, nor have we what will be made there."""
    connection.execute(
        update(VEE_DUE)
        .where(VEE_DUE.c.meter.in_(sorted(meters)), VEE_DUE.c.claimed_until_s.is_not(None))
        .values(marks=VEE_DUE.c.marks + 1, claimed_until_s=None)
    )


def _channels(
    connection: Connection, tenant: int, told: Mapping[int, Iterable[Heard]]
) -> dict[int, tuple[str, int, bool]]:
    """The channels that are told: the register, its unit, and whether it is that of intervals."""
    wanted = {each[:2] for some in told.values() for each in some}
    query = select(CHANNEL.c.id, CHANNEL.c.name, CHANNEL.c.unit).where(
        CHANNEL.c.tenant == tenant, CHANNEL.c.unit.in_({unit for _, unit in wanted})
    )
    found = {}
    for number, name, unit in connection.execute(query):
        register = register_of(name)
        if (register, unit) in wanted:
            found[number] = register, unit, register != name
    return found


def _finals(
    connection: Connection,
    tenant: int,
    told: Mapping[int, Iterable[Heard]],
    channels: Mapping[int, tuple[str, int, bool]],
) -> Sequence[Any]:
    instants = {each.at_s // _DAY_S for some in told.values() for each in some}
    days = {day + more for day in instants for more in (-2, -1, 0, 1)}  # wherever on Earth
    profiles = connection.execute(select(PROFILE.c.id).where(PROFILE.c.tenant == tenant))
    always = [number for number, (_, _, intervals) in channels.items() if intervals]
    names = ("meter", "profile", "channel", "day", "start_s", "period_s", "intervals")
    query = select(*(FINAL.c[name] for name in names)).where(
        FINAL.c.meter.in_(sorted(told)),
        FINAL.c.profile.in_(profiles.scalars().all()),  # all of the key, so it is not searched
        FINAL.c.channel.in_(channels),
        FINAL.c.day.in_(days),
        or_(
            FINAL.c.estimated > 0,
            FINAL.c.missing > 0,
            FINAL.c.suspect > 0,
            FINAL.c.channel.in_(always),
        ),
        is_newest(FINAL, (min(days), max(days))),
    )
    return connection.execute(query).all()


def _on_grid(final: Any, at_s: int) -> bool:
    """Whether an interval of a final day begins or ends at an instant."""
    after_s, period_s = at_s - int(final.start_s), int(final.period_s)
    if period_s >= _LONG_S:
        return after_s == 0 or _LONG_S <= after_s <= _LONGEST_S
    return 0 <= after_s <= period_s * int(final.intervals) and not after_s % period_s
