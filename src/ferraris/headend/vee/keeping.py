"""Keeps what a run made: new versions, the end of due days, marks for what depends on them.

All in one transaction, one head after the other. Whoever was overtaken - something new came for
the same meter meanwhile - keeps nothing of that meter, and it stays due.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from ferraris.headend.store.bulk import add_absent
from ferraris.headend.store.changes import note
from ferraris.headend.store.due import mark_due
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.newest import is_newest
from ferraris.headend.store.partitions import ensure_partitions
from ferraris.headend.store.records import StoreAwayError
from ferraris.headend.store.sealing import CLEAR, Sealer, seal_context
from ferraris.headend.store.tables.inventory import TENANT
from ferraris.headend.store.tables.validated import FINAL, VEE_DUE
from ferraris.headend.vee.claims import Due, settle, unsettle
from ferraris.headend.vee.columns_days import FinalDay, Key
from ferraris.headend.vee.dependence import dependent_days
from ferraris.headend.vee.gathering import windows
from ferraris.headend.vee.local_days import DAY_S, date_of, number_of
from ferraris.headend.vee.rule_book import Book
from ferraris.headend.vee.running import Ran

__all__ = ["Kept", "keep"]

_SIMILAR = "similar day"
_NAMES = tuple(column.name for column in FINAL.columns)
_KEY = tuple(column.name for column in FINAL.primary_key)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round did: due days that it settled, versions that it wrote, days it marked.

    Of `failed` days nothing could be made; `why` is the first reason.
    """

    due: int = 0
    overtaken: int = 0
    finals: int = 0
    marked: int = 0
    failed: int = 0
    why: str = ""

    def and_then(self, other: Kept) -> Kept:
        """Both rounds together."""
        return Kept(
            self.due + other.due,
            self.overtaken + other.overtaken,
            self.finals + other.finals,
            self.marked + other.marked,
            self.failed + other.failed,
            self.why or other.why,
        )


def keep(connection: Connection, sealer: Sealer, book: Book, due: Sequence[Due], ran: Ran) -> Kept:
    """Write what was made of due days of one tenant, in the caller's transaction."""
    tenant, now = due[0].tenant, ran.now
    connection.execute(
        select(TENANT.c.id).where(TENANT.c.id == tenant).with_for_update(key_share=True)
    )
    again = settle(connection, due)
    overtaken = {meter for meter, _, _ in again}
    if overtaken:
        theirs = [one for one in due if one.meter in overtaken and one.key not in again]
        _mark_again(connection, tenant, theirs, now)
    _tell_others(connection, tenant, ran, now)
    finals = [each for each in ran.finals.values() if each.meter not in overtaken]
    _write(connection, sealer, tenant, finals, now)
    marked = _mark_dependents(connection, tenant, book, finals, ran)
    if finals:
        detail = {
            "days": len({(each.meter, each.profile, each.day) for each in finals}),
            "meters": len({each.meter for each in finals}),
            "last_day": date_of(max(each.day for each in finals)).isoformat(),
        }
        note(connection, tenant, "vee", "", at_s=now, detail=detail)
    why = next(iter(ran.failed.values()), "")
    return Kept(len(due), len(overtaken), len(finals), marked, len(ran.failed), why)


def _mark_again(connection: Connection, tenant: int, due: Sequence[Due], now: float) -> None:
    for one in due:
        mark_due(
            connection, tenant, [one.key], reason=one.reason, at_s=now, local=one.local
        )  # fmt: skip


def _tell_others(connection: Connection, tenant: int, ran: Ran, now: float) -> None:
    """Whoever is at the same meter now has seen less, or more: one of the two runs again."""
    mine = {(meter, profile) for meter, profile, _ in ran.done}
    mine |= {(meter, profile) for meter, profile, _, _ in ran.turns}
    claimed = connection.execute(
        select(VEE_DUE.c.meter, VEE_DUE.c.profile, VEE_DUE.c.day).where(
            VEE_DUE.c.tenant == tenant, VEE_DUE.c.claimed_until_s > now
        )
    ).all()
    unsettle(connection, [(row[0], row[1], row[2]) for row in claimed if row[:2] in mine])


def _write(
    connection: Connection, sealer: Sealer, tenant: int, finals: Sequence[FinalDay], now: float
) -> None:
    if not finals:
        return
    ensure_partitions(connection, {each.day for each in finals})
    seals = sealer.holders(connection, {(each.meter, each.day) for each in finals})
    rows = []
    for each in finals:
        seal, body = seals.get((each.meter, each.day), CLEAR), each.body
        key = each.meter, each.profile, each.channel, each.day, each.number
        if seal != CLEAR:
            body = sealer.close(seal, body, seal_context("final", *key))
        rows.append((tenant, *key, *each[5:15], int(now), seal, digest(body), body))
    if len(add_absent(connection, FINAL, _NAMES, rows, _KEY)) != len(rows):
        raise StoreAwayError("another head was quicker", where="vee")


def _mark_dependents(
    connection: Connection, tenant: int, book: Book, finals: Sequence[FinalDay], ran: Ran
) -> int:
    """Mark the days whose estimates rest on a day that is another one now.

    Not those that ran after it: they have seen it.
    """
    today = date_of(int(ran.now // DAY_S) + 1)
    limits = {each.digest: each.rules.estimation for each in book.sets}
    rests_on: defaultdict[Key, list[int]] = defaultdict(list)
    reached: dict[tuple[int, str], list[int]] = {}
    for each in finals:
        if not each.usable_differs or each.rules not in limits:
            continue
        among = each.day, each.rules
        if among not in reached:
            of = limits[each.rules]
            days = dependent_days(
                date_of(each.day), of.weeks, holidays=of.holidays, until=today
            )  # fmt: skip
            reached[among] = [number_of(day) for day in days if number_of(day) != each.day]
        turn = ran.turns[each[:4]]
        for day in reached[among]:
            key = each.meter, each.profile, each.channel, day
            if ran.turns.get(key, -1) <= turn:
                rests_on[key].append(each.day)
    if not rests_on:
        return 0
    meters, wanted = {key[0] for key in rests_on}, {key[3] for key in rests_on}
    found = _guessed(connection, meters, wanted)
    keys = {(meter, profile, day) for meter, profile, channel, day in found
            if (meter, profile, channel, day) in rests_on}  # fmt: skip
    return mark_due(connection, tenant, keys, reason=_SIMILAR, at_s=ran.now, local=True)


def _guessed(connection: Connection, meters: Collection[int], days: Collection[int]) -> list[Key]:
    """The newest final days with estimates, or with nothing to estimate from."""
    names = ("meter", "profile", "channel", "day")
    span = min(days), max(days)
    found: list[Key] = []
    for lot in windows(meters):
        query = select(*(FINAL.c[name] for name in names)).where(
            FINAL.c.meter.in_(lot),
            FINAL.c.day.in_(days),
            or_(FINAL.c.estimated > 0, FINAL.c.missing > 0),
            is_newest(FINAL, span),
        )
        found += [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
    return found
