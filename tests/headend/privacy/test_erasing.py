"""What is erased never opens again, whatever is restored; what is somebody else's stays."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, insert, select, update

from ferraris.core.errors import UsageError
from ferraris.headend.audit import Journal
from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.privacy.erasing import complete, erase
from ferraris.headend.privacy.settling import keep_settled
from ferraris.headend.store.blocks import unpack
from ferraris.headend.store.exchange import digest
from ferraris.headend.store.sealing import ErasedError, seal_context
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.collecting import COMMAND
from ferraris.headend.store.tables.inventory import CUSTOMER
from ferraris.headend.store.tables.readings import (
    ALARM,
    BLOCK,
    DAY_TOTAL,
    EVENT,
    REGISTER_READ,
    UNDATED,
)
from ferraris.headend.store.tables.validated import FINAL, HUMAN_EDIT
from ferraris.keys import MemoryKeys

DAY = 86_400
WHEN = 1_773_187_200.0  # 2026-03-11
CHANGE = 12 * DAY + DAY // 4  # ann leaves, bob comes
COMES = 10 * DAY + DAY // 2  # ann comes, nobody was there before


@pytest.fixture
def filled(engine, town, sealer):
    """Days 8 to 15 of meter `a`, and of meter `b` which is nobody's."""
    with engine.transaction() as connection:
        shelf = town.shelf(connection, sealer, town.tenant)
        for day in range(8, 16):
            shelf.block(town.a, day)
            shelf.block(town.b, day)
            shelf.read(town.a, (day + 1) * DAY, day)
            shelf.final(town.a, day, day * DAY)
            shelf.undated(town.a, day * DAY + 1)
            at = day * DAY + 7
            who = {"tenant": town.tenant, "meter": town.a}
            total = dict.fromkeys(("rows", "first", "last", "least", "most"), 1)
            total["profile"] = shelf.profile
            edit = {"profile": shelf.profile, "channel": shelf.channel, "version": 1}
            for table, values in (
                (DAY_TOTAL, {"day": day, "channel": shelf.channel} | total),
                (EVENT, {"log": "0-0:99.98.0*255", "at_s": at, "turn": 0, "code": 1, "stamp": b"",
                         "stored_s": at}),
                (ALARM, {"name": f"x{day}", "source": "push", "raised_s": at, "last_s": at,
                         "times": 1}),
                (HUMAN_EDIT, edit | {"end_s": at, "kind": "set", "value": 1, "by": "x",
                                     "reason": "", "at_s": at}),
                (COMMAND, {"kind": "read", "parameters": "{}", "priority": 0, "state": "done",
                           "requested_by": "x", "requested_s": at, "result": "[17]"}),
            ):  # fmt: skip
                connection.execute(insert(table).values(**who, **values))
    return town


def erased(engine, sealer, town, name="C-1", **more):
    with engine.transaction() as connection:
        return erase(
            connection, sealer, town.tenant, name, reason="asked for it", at_s=WHEN,
            journal=Journal().write, principal="officer", **more,
        )  # fmt: skip


def hours(engine, town, sealer, meter):
    """The hours (numbered since 1970) that can be read, by day; None for an erased day."""
    found = {}
    with engine.reading() as connection:
        shelf = town.shelf(connection, sealer, town.tenant)
        for row in connection.execute(select(BLOCK).where(BLOCK.c.meter == meter)):
            assert digest(row.body) == row.digest
            assert row.day not in found
            try:
                rows = unpack(shelf.open(row, BLOCK))
            except ErasedError:
                found[row.day] = None
            else:
                assert [end // 3600 for end in rows.axis] == rows.columns[0]
                assert len(rows.axis) == row.rows
                found[row.day] = rows.columns[0]
    return found


def day_hours(day, since=0, until=24):
    return [24 * day + hour for hour in range(since + 1, until + 1)]


def counted(engine, table, *conditions):
    with engine.reading() as connection:
        return connection.execute(
            select(func.count()).select_from(table).where(*conditions)
        ).scalar()


def test_an_erased_customer_is_gone_and_nobody_else(engine, filled, sealer):
    before = hours(engine, filled, sealer, filled.a)
    assert before == {day: day_hours(day) for day in range(8, 16)}
    done = erased(engine, sealer, filled)
    assert (done.customer, done.erased_s, done.meters) == ("C-1", WHEN, 1)

    fresh = CustomerSealer(engine, sealer.keys)  # another process
    for one in (sealer, fresh):
        assert hours(engine, filled, one, filled.a) == {
            8: day_hours(8), 9: day_hours(9),
            10: day_hours(10, until=12),  # before ann came
            11: None,
            12: day_hours(12, since=6),  # bob's first hours
            13: day_hours(13), 14: day_hours(14), 15: day_hours(15),
        }  # fmt: skip
        assert hours(engine, filled, one, filled.b) == {d: day_hours(d) for d in range(8, 16)}
    with engine.reading() as connection:
        seals = dict(
            connection.execute(
                select(BLOCK.c.day, BLOCK.c.seal).where(BLOCK.c.meter == filled.a)
            ).all()
        )
        assert (seals[10], seals[11], seals[12]) == (0, filled.ann, filled.bob)


def test_reads_finals_and_undated_rows_are_told_apart(engine, filled, sealer):
    erased(engine, sealer, filled)
    with engine.reading() as connection:
        shelf = filled.shelf(connection, sealer, filled.tenant)

        def readable(table, at):
            found = {}
            for row in connection.execute(select(table).where(table.c.meter == filled.a)):
                try:
                    shelf.open(row, table)
                    found[getattr(row, at)] = True
                except ErasedError:
                    found[getattr(row, at)] = False
            return found

        reads = readable(REGISTER_READ, "read_s")
        # The reads at the end of days 10 and 11 are ann's; day 12 ends as bob's.
        assert {at // DAY - 1 for at, opens in reads.items() if not opens} == {10, 11}
        assert len(reads) == 8
        finals = readable(FINAL, "day")
        assert [day for day, opens in finals.items() if not opens] == [11]
        assert sorted(finals) == [8, 9, 11, 13, 14, 15]  # shared days are made again from the rest
        rows = connection.execute(select(UNDATED).where(UNDATED.c.meter == filled.a)).all()
        for row in rows:
            place = (filled.tenant, row.meter, row.profile)
            theirs = COMES < row.stored_s <= CHANGE
            if theirs:
                with pytest.raises(ErasedError):
                    sealer.open(row.seal, row.body, b"")
            elif row.seal == filled.bob:
                assert sealer.open(row.seal, row.body, seal_context("undated", *place))


def test_what_lies_under_no_key_is_deleted(engine, filled, sealer):
    done = erased(engine, sealer, filled)
    mine = {"meter": filled.a}
    assert counted(engine, DAY_TOTAL, DAY_TOTAL.c.day.between(10, 12)) == 0
    assert counted(engine, DAY_TOTAL) == 5
    for table in (EVENT, ALARM, HUMAN_EDIT):
        assert counted(engine, table, table.c.meter == mine["meter"]) == 6  # not days 11 and 12
    assert counted(engine, COMMAND, COMMAND.c.result == "") == 2
    assert done.rows["event"] == done.rows["command"] == 2
    with engine.reading() as connection:
        line = connection.execute(select(AUDIT)).one()
    assert (line.principal, line.action, line.subject) == ("officer", "erase_customer", "C-1")
    assert "asked for it" in line.detail


def test_again_changes_nothing_but_sweeps(engine, filled, sealer):
    first = erased(engine, sealer, filled)
    seen = hours(engine, filled, sealer, filled.a)
    with engine.transaction() as connection:
        one = connection.execute(select(DAY_TOTAL)).first()
        connection.execute(insert(DAY_TOTAL).values(dict(one._mapping) | {"day": 11}))
    with engine.transaction() as connection:
        again = erase(connection, sealer, filled.tenant, "C-1", reason="again", at_s=WHEN + 99)
    assert again.erased_s == first.erased_s
    assert again.rows["day_total"] == 1
    assert hours(engine, filled, sealer, filled.a) == seen


def test_the_other_one_of_a_shared_day(engine, filled, sealer):
    """Bob's first hours lie under ann's key; they go with bob, and ann's stay."""
    erased(engine, sealer, filled, "C-2")
    found = hours(engine, filled, sealer, filled.a)
    assert found[12] == day_hours(12, until=6)
    assert found[11] == day_hours(11)
    assert found[13] is found[15] is None
    erased(engine, sealer, filled, "C-1")
    found = hours(engine, filled, sealer, filled.a)
    assert sorted(day for day, seen in found.items() if seen) == [8, 9, 10]
    assert found[10] == day_hours(10, until=12)


def test_readings_from_before_the_customer_was_known(engine, filled, sealer):
    """Blocks lie in the clear, and under the wrong key: the assignment was made up later."""
    with engine.transaction() as connection:
        made = object.__new__(filled.town)
        made._connection, made.tenant, made._count = connection, filled.tenant, 100
        cid = made.customer("C-3")
        made.assign(filled.b, cid, 9 * DAY, 14 * DAY)
        assert sealer.holders(connection, [(filled.b, 10)]) == {(filled.b, 10): cid}
        filled.shelf(connection, sealer, filled.tenant).block(filled.b, 20, seal=cid)
    erased(engine, sealer, filled, "C-3")
    found = hours(engine, filled, sealer, filled.b)
    assert sorted(d for d, seen in found.items() if seen is None) == [9, 10, 11, 12, 13]
    assert found[20] == day_hours(20)  # was not theirs: given back


def test_an_older_copy_of_the_database_learns_from_the_key_store(engine, filled, sealer):
    """As after a restore: the rows are there again, and nothing says that they were erased."""
    with engine.transaction() as connection:
        sealer.destroy(connection, filled.ann, WHEN)
    with pytest.raises(ErasedError), engine.reading() as connection:
        shelf = filled.shelf(connection, sealer, filled.tenant)
        row = connection.execute(
            select(BLOCK).where(BLOCK.c.meter == filled.a, BLOCK.c.day == 11)
        ).one()
        shelf.open(row, BLOCK)
    with engine.transaction() as connection:
        (done,) = complete(connection, sealer, at_s=WHEN + 5, journal=Journal().write)
    assert (done.customer, done.erased_s) == ("C-1", WHEN)
    assert counted(engine, EVENT, EVENT.c.meter == filled.a) == 6
    with engine.transaction() as connection:
        assert complete(connection, sealer, at_s=WHEN + 6, journal=Journal().write) == []
        assert (
            connection.execute(
                select(CUSTOMER.c.erased_s).where(CUSTOMER.c.id == filled.ann)
            ).scalar()
            == WHEN
        )
    assert hours(engine, filled, sealer, filled.a)[11] is None


def test_an_older_copy_of_the_key_store_learns_from_the_database(engine, filled, sealer):
    copy = MemoryKeys()
    copy._secrets = dict(sealer.keys._secrets)
    erased(engine, sealer, filled)
    restored = CustomerSealer(engine, copy)
    assert hours(engine, filled, restored, filled.a)[11] is None  # even before
    with engine.transaction() as connection:
        assert complete(connection, restored, at_s=WHEN, journal=Journal().write) == []
        connection.execute(update(CUSTOMER).values(erased_s=None))
    fresh = CustomerSealer(engine, copy)
    assert hours(engine, filled, fresh, filled.a)[11] is None  # the key is gone for good


def test_a_commit_that_fails_is_completed(engine, filled, sealer):
    class Away(Exception):
        pass

    with pytest.raises(Away), engine.transaction() as connection:
        erase(connection, sealer, filled.tenant, "C-1", reason="asked", at_s=WHEN)
        raise Away
    assert hours(engine, filled, sealer, filled.a)[11] is None
    assert counted(engine, CUSTOMER, CUSTOMER.c.erased_s.is_not(None)) == 0
    with engine.transaction() as connection:
        assert complete(connection, sealer, at_s=WHEN + 9, journal=Journal().write)
    assert counted(engine, EVENT, EVENT.c.meter == filled.a) == 6


def test_nobody_is_erased_by_mistake(engine, filled, sealer):
    with engine.transaction() as connection:
        other = filled.town(connection, "other")
        with pytest.raises(UsageError, match="no customer"):
            erase(connection, sealer, other.tenant, "C-1", reason="x", at_s=WHEN)
        with pytest.raises(UsageError, match="say why"):
            erase(connection, sealer, filled.tenant, "C-1", reason="  ", at_s=WHEN)
    assert hours(engine, filled, sealer, filled.a)[11] == day_hours(11)


def test_a_head_end_that_runs_settles_at_its_start_and_each_day(engine, filled, sealer):
    with engine.transaction() as connection:
        sealer.destroy(connection, filled.ann, WHEN)
    slept = []

    async def sleep(seconds):
        slept.append((seconds, counted(engine, CUSTOMER, CUSTOMER.c.erased_s == WHEN)))
        if len(slept) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(
            keep_settled(
                engine, sealer, journal=Journal().write, clock=lambda: WHEN, sleep=sleep
            )
        )  # fmt: skip
    assert slept == [(86_400.0, 1), (86_400.0, 1)]
    assert counted(engine, AUDIT) == 1
