"""Writing what sessions brought: many meters in one transaction, the same read never twice."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence

from ferraris.headend.store import statements as sql
from ferraris.headend.store.blocks import Rows, merge, pack, split_days, unpack
from ferraris.headend.store.columns_codec import pack_column
from ferraris.headend.store.database import Database
from ferraris.headend.store.records import ChannelKey, PackedBlock, PackedRead, Result, Stored

__all__ = ["commit", "digest", "pack_blocks", "pack_read"]


def pack_blocks(profile: str, channels: tuple[ChannelKey, ...], rows: Rows) -> list[PackedBlock]:
    """Pack rows into one block a UTC day; needs no database, so it can run anywhere."""
    blocks = []
    for day, part in split_days(rows):
        body = pack(part.axis, part.stamps, part.status, part.columns)
        blocks.append(PackedBlock(profile, day, channels, len(part.axis), body, digest(body)))
    return blocks


def pack_read(
    day: int,
    read_s: int,
    channels: tuple[ChannelKey, ...],
    *,
    values: Sequence[object],
    times: Sequence[int | None],
    qualities: Sequence[object],
) -> PackedRead:
    """Pack values read at about one moment; `times` are seconds relative to `read_s`."""
    body = pack_column(values) + pack_column(times) + pack_column(qualities)
    return PackedRead(day, read_s, channels, body, digest(body))


def digest(body: bytes) -> bytes:
    """The content hash of a packed body: finds damage and repeated reads, proves no origin."""
    return hashlib.blake2b(body, digest_size=8).digest()


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
    packed = pack(whole.axis, whole.stamps, whole.status, whole.columns)
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
