"""How long each kind of data is kept, and dropping what is older.

Days are counted from what the data is of, not from when it was stored. Nothing is dropped unless
somebody says for how long it is kept. The newest version of a block goes only with all older ones,
so an old value never comes back as the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select, text, update

from ferraris.core.errors import UsageError
from ferraris.headend.store.blocks import DAY_S
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.partitions import PARTITIONED, months_of, partition_days
from ferraris.headend.store.tables.access import AUDIT, CHAIN, CHANGE, IDEMPOTENCY, LOOKED_AT
from ferraris.headend.store.tables.collecting import COMMAND, READ_SUCCESS, SESSION
from ferraris.headend.store.tables.inventory import STRANGER
from ferraris.headend.store.tables.readings import (
    ALARM,
    BLOCK,
    DAY_TOTAL,
    EVENT,
    REGISTER_READ,
    UNDATED,
)
from ferraris.headend.store.tables.validated import FINAL

__all__ = ["Removed", "Retention", "apply"]

_BATCH: Final = 5000
_QUIET_DAYS: Final = 7
_PATIENCE: Final = "SET LOCAL lock_timeout = '5s'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days each kind is kept; None for ever.

    Keep blocks and registers longer than plans look back, or they are read again.
    """

    blocks: int | None = None
    """Raw rows of profiles, all versions."""
    versions: int | None = None
    """Versions of blocks and register reads that have a newer one."""
    registers: int | None = None
    totals: int | None = None
    """What a day came to; at least as long as blocks."""
    finals: int | None = None
    """What validation made of the readings."""
    events: int | None = None
    alarms: int | None = None
    """Alarms that are over."""
    sessions: int | None = None
    success: int | None = None
    commands: int | None = None
    """Commands that have ended."""
    strangers: int | None = None
    changes: int | None = 30
    """What is told to those who watch."""
    answers: int | None = 1
    """What requests with an idempotency key were answered, after they lapsed."""
    audit: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            days = getattr(self, each.name)
            if days is not None and days < 1:
                raise UsageError(f"{each.name} is kept for at least a day", where="retention")
        if self.totals is not None and (self.blocks is None or self.totals < self.blocks):
            raise UsageError(
                "totals are kept as long as the blocks that they are of", where="retention"
            )

    @classmethod
    def of(cls, days: Mapping[str, int]) -> Retention:
        """From days by kind; raises `UsageError` for a kind that there is not."""
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(days) - set(known)):
            raise UsageError(
                f"nothing is kept under {', '.join(unknown)}, only {', '.join(known)}",
                where="retention",
            )
        return cls(**days)


@dataclass(frozen=True, slots=True)
class Removed:
    """What went of a kind: rows, and of these whole months that PostgreSQL dropped at once."""

    kind: str
    rows: int
    months: tuple[str, ...] = ()


def apply(engine: Engine, retention: Retention, now: float) -> list[Removed]:
    """Drop what has outlived its time; returns the kinds that lost something.

    Small transactions, so others go on meanwhile; broken off, the next run does the rest.
    """
    return [found for found in _each(engine, retention, now) if found.rows or found.months]


def _each(engine: Engine, retention: Retention, now: float) -> Iterator[Removed]:
    for kind, table in _BY_DAY:
        if (kept := getattr(retention, kind)) is not None:
            yield _days(engine, kind, table, int(now) // DAY_S - kept)
    if retention.versions is not None:
        last = int(now) // DAY_S - retention.versions
        rows = sum(_superseded(engine, table, last) for table in (BLOCK, REGISTER_READ))
        yield Removed("versions", rows)
    for kind, table, over in _BY_MOMENT:
        if (kept := getattr(retention, kind)) is not None:
            yield Removed(kind, _rows(engine, table, over(now - kept * DAY_S)))
    if retention.success is not None:
        condition = READ_SUCCESS.c.day < int(now) // DAY_S - retention.success
        yield Removed("success", _plain(engine, READ_SUCCESS, condition))
    if retention.answers is not None:
        condition = IDEMPOTENCY.c.until_s < now - retention.answers * DAY_S
        yield Removed("answers", _plain(engine, IDEMPOTENCY, condition))
    if retention.audit is not None:
        yield Removed("audit", _audit(engine, now - retention.audit * DAY_S))


_BY_DAY: Final = (
    ("blocks", BLOCK),
    ("totals", DAY_TOTAL),
    ("registers", REGISTER_READ),
    ("finals", FINAL),
)
_Over = Callable[[float], ColumnElement[bool]]
_BY_MOMENT: Final[tuple[tuple[str, Table, _Over], ...]] = (
    ("blocks", UNDATED, lambda before: UNDATED.c.stored_s < before),
    ("events", EVENT, lambda before: and_(EVENT.c.at_s < before, EVENT.c.stored_s < before)),
    (
        "alarms",
        ALARM,
        lambda before: and_(ALARM.c.last_s < before, ALARM.c.cleared_s < before),
    ),
    ("sessions", SESSION, lambda before: SESSION.c.started_s < before),
    ("commands", COMMAND, lambda before: COMMAND.c.ended_s < before),
    ("strangers", STRANGER, lambda before: STRANGER.c.last_s < before),
    ("changes", CHANGE, lambda before: CHANGE.c.at_s < before),
)  # fmt: skip


def _days(engine: Engine, kind: str, table: Table, end: int) -> Removed:
    """Drop the days before `end`: whole months at once where there are any."""
    rows, months = 0, []
    if engine.is_postgresql and table.name in PARTITIONED:
        with engine.reading() as connection:
            known = months_of(connection, table.name)
        for month in known:
            if partition_days(month)[1] <= end:
                rows += _drop(engine, table, month)
                months.append(f"{month[0]:04}-{month[1]:02}")
    with engine.reading() as connection:
        old = select(table.c.day).where(table.c.day < end).distinct().order_by(table.c.day)
        days = list(connection.execute(old).scalars())
    for day in days:
        rows += _plain(engine, table, table.c.day == day)
    return Removed(kind, rows, tuple(months))


def _drop(engine: Engine, table: Table, month: tuple[int, int]) -> int:
    """Drop a month; gives up rather than stand in the way of others."""
    name = f"{table.name}_{month[0]:04}_{month[1]:02}"
    with engine.transaction() as connection:
        connection.execute(text(_PATIENCE))
        rows = connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()  # noqa: S608
        connection.exec_driver_sql(f"DROP TABLE {name}")
    return int(rows)


def _superseded(engine: Engine, table: Table, end: int) -> int:
    """Drop versions that have a newer one, from the youngest of the old days backwards.

    After some days without any it ends: what is older went before.
    """
    with engine.reading() as connection:
        old = select(table.c.day).where(table.c.day < end).distinct().order_by(table.c.day.desc())
        days = list(connection.execute(old).scalars())
    newer = table.alias("newer")
    keys = [column.name for column in table.primary_key if column.name != "version"]
    same = [newer.c[name] == table.c[name] for name in keys]
    has_newer = select(1).where(*same, newer.c.version > table.c.version).exists()
    rows = quiet = 0
    for day in days:
        gone = _plain(engine, table, and_(table.c.day == day, has_newer))
        rows, quiet = rows + gone, 0 if gone else quiet + 1
        if quiet == _QUIET_DAYS:
            break
    return rows


def _rows(engine: Engine, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete in batches, each a transaction."""
    batch = select(table.c.id).where(condition).limit(_BATCH)
    rows = 0
    while True:
        gone = _plain(engine, table, table.c.id.in_(batch))
        rows += gone
        if gone < _BATCH:
            return rows


def _plain(engine: Engine, table: Table, condition: ColumnElement[bool]) -> int:
    with engine.transaction() as connection:
        return connection.execute(delete(table).where(condition)).rowcount


def _audit(engine: Engine, before: float) -> int:
    """Forget the oldest lines of each chain; what the next line's hash covers stays known."""
    with engine.reading() as connection:
        chains = list(connection.execute(select(CHAIN.c.chain)).scalars())
    rows = 0
    for chain in chains:
        with engine.transaction() as connection:
            rows += _forget(connection, chain, before)
    # A line goes when an anchor has seen it, which takes no longer than a day.
    _plain(engine, LOOKED_AT, LOOKED_AT.c.last_s < before - DAY_S)
    return rows


def _forget(connection: Connection, chain: str, before: float) -> int:
    held: Any = connection.execute(
        select(CHAIN.c.anchored).where(CHAIN.c.chain == chain).with_for_update()
    ).scalar_one()
    mine = AUDIT.c.chain == chain
    young = select(func.min(AUDIT.c.sequence)).where(mine, AUDIT.c.at_s >= before)
    first = connection.execute(young).scalar()
    # Only what an anchor has seen: until then nothing else vouches for it.
    condition = AUDIT.c.sequence <= held
    if first is not None:
        condition = condition & (AUDIT.c.sequence < first)
    last = connection.execute(
        select(AUDIT.c.sequence, AUDIT.c.hash)
        .where(mine, condition)
        .order_by(AUDIT.c.sequence.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return 0
    gone = connection.execute(delete(AUDIT).where(mine, AUDIT.c.sequence <= last.sequence))
    connection.execute(
        update(CHAIN)
        .where(CHAIN.c.chain == chain)
        .values(forgotten=last.sequence, forgotten_hash=last.hash)
    )
    return gone.rowcount
