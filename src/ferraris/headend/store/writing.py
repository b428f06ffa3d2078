"""Writing what sessions brought: many meters in one transaction, the same read never twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ferraris.headend.store import statements as sql
from ferraris.headend.store.blocks import merge, pack, unpack
from ferraris.headend.store.database import Database
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.records import (
    PackedBlock,
    PackedRead,
    PackedUndated,
    Result,
    Stored,
)

__all__ = ["commit"]


def commit(database: Database, plan: int, results: Iterable[Result], now: float) -> Stored:
    """Write results and settle their claims, all in one transaction; raises `StoreError`.

    When it returns everything is durable; when it raises nothing happened.
    """
    intervals = registers = 0
    with database.transaction() as connection:
        for result in results:
            rows = sum(_put_block(database, connection, result.work.meter, block, now)
                       for block in result.blocks)  # fmt: skip
            values = sum(_put_read(database, connection, result.work.meter, read)
                         for read in result.reads)  # fmt: skip
            for undated in result.undated:
                _put_undated(database, connection, result.work.meter, undated, now)
            _settle(database, connection, plan, result, Stored(rows, values))
            intervals += rows
            registers += values
    return Stored(intervals, registers)


def _put_block(
    database: Database, connection: sqlite3.Connection, meter: int, block: PackedBlock, now: float
) -> int:
    """Write one block, merged with what is there; returns the rows that are new."""
    profile = database.make_profile(connection, block.profile)
    layout = database.make_layout(connection, block.channels)
    key = (database.tenant, meter, profile, block.day, layout)
    body = (block.rows, int(now), block.digest, block.body)
    if connection.execute(sql.ADD_BLOCK, (*key, 1, *body)).rowcount:
        return block.rows
    version, rows, old = connection.execute(sql.NEWEST_BLOCK, key[1:]).fetchone()
    if old == block.body:
        return 0
    whole = merge(unpack(old), unpack(block.body))
    packed = pack(whole)
    if packed == old:
        return 0
    body = (len(whole.axis), int(now), digest(packed), packed)
    connection.execute(sql.ADD_BLOCK, (*key, version + 1, *body))
    return len(whole.axis) - int(rows)


def _put_read(
    database: Database, connection: sqlite3.Connection, meter: int, read: PackedRead
) -> int:
    layout = database.make_layout(connection, read.channels)
    key = (meter, read.day, read.read_s, layout)
    count = len(read.channels)
    body = (count, read.digest, read.body)
    if connection.execute(sql.ADD_READ, (database.tenant, *key, 1, *body)).rowcount:
        return count
    version, known = connection.execute(sql.NEWEST_READ, key).fetchone()
    if known == read.digest:
        return 0
    connection.execute(sql.ADD_READ, (database.tenant, *key, version + 1, *body))
    return 0


def _put_undated(
    database: Database,
    connection: sqlite3.Connection,
    meter: int,
    undated: PackedUndated,
    now: float,
) -> None:
    profile = database.make_profile(connection, undated.profile)
    body = (undated.rows, int(now), undated.digest, undated.body)
    connection.execute(sql.ADD_UNDATED, (database.tenant, meter, profile, *body))


def _settle(
    database: Database,
    connection: sqlite3.Connection,
    plan: int,
    result: Result,
    stored: Stored,
) -> None:
    meter = result.work.meter
    later = {deferred.day: deferred for deferred in result.deferred}
    for day in result.work.days:
        if day not in later:
            connection.execute(sql.DROP_CLAIM, (plan, meter, day))
    for item in later.values():
        state = "held" if item.held else "waiting"
        connection.execute(
            sql.PUT_CLAIM,
            (database.tenant, plan, meter, item.day, state, None,
             item.tries, item.not_before_s, item.reason),
        )  # fmt: skip
    connection.execute(
        sql.ADD_SESSION,
        (database.tenant, meter, plan, result.started_s, result.ended_s,
         result.outcome, result.message, stored.intervals, stored.registers),
    )  # fmt: skip
