# ruff: noqa: TID252 - the tests are no package to import from
from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import update

from ferraris.core.errors import LineError, UsageError
from ferraris.headend.collect.overview import (
    held_meters,
    mark_to_read_again,
    missing_meters,
    release,
    sessions,
    success_by,
    success_of_days,
)
from ferraris.headend.collect.plans import plans
from ferraris.headend.collect.success import (
    count_success,
    days_to_count,
    lost_meters,
    lost_of_meter,
    write_success,
)
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.access import CHANGE
from ferraris.headend.store.tables.collecting import LACK, READ_SUCCESS, REREAD
from ferraris.headend.store.tables.inventory import METER

from .neighbourhood import BILLING, DAY, DAY_S, HOUR, PLAN, PROFILE, REGISTERS, Street, virtually


def count(street, now=None, days=None):
    """Count all that can have changed, as a collection does now and then."""
    now = street.clock() if now is None else now
    with street.engine.transaction() as connection:
        for known in plans(connection, street.tenant):
            wanted = days_to_count(connection, street.tenant, known, days, now)
            tallies = count_success(connection, street.tenant, known, wanted, now)
            write_success(connection, street.tenant, tallies, now)


def success(street, day=DAY, plan="daily"):
    with street.engine.reading() as view:
        number = {each.plan.name: each.number for each in plans(view, street.tenant)}[plan]
        found = success_of_days(view, number, since_day=day, until_day=day + 1)
    return (found[0].due, found[0].in_time, found[0].late) if found else None


def test_in_time_late_and_missing(engine):
    street = Street(engine, 6, faults={1: [("open", UsageError("key"))], 2: []})
    street.meters["meter-2"].dead = LineError("silence")
    street.plan()
    street.once()
    assert success(street) == (6, 4, 0)
    # Hours later one of them answers: late.
    street.start = (DAY + 1) * DAY_S + 8 * HOUR
    street.meters["meter-2"].dead = None
    street.once()
    assert success(street) == (6, 4, 1)
    with engine.transaction() as connection:
        assert held_meters(connection, street.tenant) == [("meter-1", "usage")]
        assert release(connection, street.tenant, [street.numbers["meter-1"]]) == 1
    street.once()
    assert success(street) == (6, 4, 2)


def test_registers_and_billing_count_too_and_logs_do_not(engine):
    street = Street(engine, 2)
    street.plan(registers=[], logs=["0-0:99.98.0*255"])
    street.once()
    assert success(street) == (2, 2, 0)
    street.meters["meter-0"].refuses = {*PLAN["registers"]}
    street.plan()
    street.once()
    assert success(street) == (2, 1, 0)
    # 2024-10-05 is no begin of a month; a day is a period like any other.
    street.plan(name="billed", registers=[], profiles=[],
                billing=[{"profile": BILLING, "each": "day"}])  # fmt: skip
    street.meters["meter-1"].billed = [(DAY + 1) * DAY_S]
    street.once()
    assert success(street, plan="billed") == (2, 1, 0)


def lost(street, day=DAY, plan="daily"):
    """(due, in time, late, lost) of a day."""
    with street.engine.reading() as view:
        number = {each.plan.name: each.number for each in plans(view, street.tenant)}[plan]
        (found,) = success_of_days(view, number, since_day=day, until_day=day + 1)
    return found.due, found.in_time, found.late, found.lost


def who_lost(street, day=DAY, plan="daily", now=None):
    """(day, registers) by the meters that lost a day; of each meter alone the same is true."""
    now = street.clock() if now is None else now
    names = {number: name for name, number in street.numbers.items()}
    with street.engine.reading() as view:
        (known,) = [each for each in plans(view, street.tenant) if each.plan.name == plan]
        found = lost_meters(view, street.tenant, known, day, now)
        for number in names:
            alone = lost_of_meter(view, street.tenant, known, number, since_day=day, now=now)
            assert [each for each in alone if each.day == day] == [
                each for each in found if each.meter == number
            ]
    return {names[each.meter]: (each.day, each.registers) for each in found}


def test_a_day_whose_registers_nobody_read_is_lost(engine):
    street = Street(engine, 3)
    street.plan(back_days=5)
    street.meters["meter-1"].dead = LineError("silence")
    street.meters["meter-2"].refuses = {PROFILE}
    street.once()
    count(street)
    assert lost(street) == (3, 1, 0, 0)  # its opening is not over: it is missing, and can come
    street.start = (DAY + 2) * DAY_S + 600
    street.meters["meter-1"].dead = None
    street.once()
    assert lost(street) == (3, 1, 0, 1)  # the profile came late, the registers cannot
    assert lost(street, DAY + 1) == (3, 2, 0, 0)
    assert who_lost(street) == {"meter-1": (DAY, tuple(PLAN["registers"]))}
    assert who_lost(street, DAY + 1) == {}
    told = [json.loads(each) for kind, each in street.rows(CHANGE, "kind", "detail")
            if kind == "success"]  # fmt: skip
    assert {"day": DAY, "due": 3, "in_time": 1, "late": 0, "lost": 1} in told


def test_registers_are_taken_from_a_daily_or_billing_profile_that_has_them(engine):
    street = Street(engine, 2)
    billing = {"billing": [{"profile": BILLING, "each": "day"}], "profiles": [], "back_days": 3}
    street.plan(name="billed", registers=[REGISTERS[0]], **billing)
    street.plan(name="other", registers=list(REGISTERS), **billing)  # it has one of them only
    for meter in street.meters.values():
        meter.billed = [(DAY + 1) * DAY_S, (DAY + 2) * DAY_S, (DAY + 3) * DAY_S]
        meter.dead = LineError("silence")
    street.once()
    street.start = (DAY + 2) * DAY_S + 600
    street.meters["meter-0"].dead = None
    street.once()
    for plan in ("billed", "other"):
        # As long as the profile is chased, the other meter is only missing.
        assert lost(street, plan=plan) == ((2, 0, 1, 0) if plan == "billed" else (2, 0, 0, 0))
    later = street.clock() + 6 * DAY_S
    count(street, later)
    assert lost(street, plan="billed") == (2, 0, 1, 1)
    assert lost(street, plan="other") == (2, 0, 0, 2)
    assert who_lost(street, plan="billed", now=later) == {"meter-1": (DAY, (REGISTERS[0],))}
    assert set(who_lost(street, plan="other", now=later)) == {"meter-0", "meter-1"}


def test_local_days_and_their_deadline(engine):
    street = Street(engine, 1)
    street.plan(zone="Asia/Kolkata", registers=[], back_days=3, deadline="02:00")
    street.start = DAY * DAY_S + 20 * HOUR  # 01:30 of the next day in Kolkata
    street.once()
    assert success(street, DAY) == (1, 1, 0)
    with engine.reading() as view:
        ends = street.archive.series(view, street.numbers["meter-0"], PROFILE, 0, 1 << 33).ends
    assert ends[-1] == DAY * DAY_S + 18 * HOUR  # 23:30; the half hour belongs to the next day
    street.start += DAY_S + HOUR
    street.once()
    assert success(street, DAY + 1) == (1, 0, 1)  # 02:30: the deadline has passed


def test_the_past_is_counted_from_what_the_store_has(engine):
    street = Street(engine, 2)
    street.plan(registers=[], back_days=5)
    street.once()
    with engine.transaction() as connection:
        connection.execute(READ_SUCCESS.delete().where(READ_SUCCESS.c.tenant == street.tenant))
    count(street)
    assert success(street) == (2, 2, 0)
    # Days of the back-log were read when their deadlines had passed.
    assert success(street, DAY - 2) == (2, 0, 2)
    # Nobody owes what is older than the back-log.
    assert success(street, DAY - 9) is None


def test_days_become_final(engine):
    street = Street(engine, 1)
    street.plan(registers=[], back_days=2)
    street.meters["meter-0"].lacks = {DAY * DAY_S + HOUR}
    street.once()
    assert success(street) == (1, 0, 0)
    later = street.clock() + 6 * DAY_S
    count(street, later)
    assert dict(street.rows(READ_SUCCESS, "day", "final"))[DAY] == 1
    with engine.transaction() as connection:
        connection.execute(
            update(READ_SUCCESS).where(READ_SUCCESS.c.tenant == street.tenant).values(late=7)
        )
    count(street, later + DAY_S)
    assert success(street) == (1, 0, 7)  # what is final is not counted again


def test_by_segment_model_and_firmware(engine):
    nodes = [{"kind": "network", "name": "net"}, {"kind": "cell", "name": "cell"}]
    street = Street(engine, 4, nodes=nodes)
    net, cell = street.nodes
    with engine.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE node SET parent = {net} WHERE id = {cell}")
        for n, name in enumerate(street.numbers):
            connection.execute(
                update(METER)
                .where(METER.c.id == street.numbers[name])
                .values(model=f"M{n % 2}", firmware="1.0" if n else "2.0")
            )
    street.meters["meter-3"].dead = LineError("silence")
    street.plan()
    street.once()
    with engine.reading() as view:
        (number,) = [each.number for each in plans(view, street.tenant)]
        by = {
            name: [
                (each.name, each.due, each.in_time) for each in success_by(view, number, DAY, name)
            ]
            for name in ("segment", "model", "firmware")
        }
        with pytest.raises(UsageError, match="segment, model, firmware"):
            success_by(view, number, DAY, "weather")
    assert by["segment"] == [("cell", 2, 1), ("net", 4, 3)]
    assert by["model"] == [("M0", 2, 2), ("M1", 2, 1)]
    assert by["firmware"] == [("1.0", 3, 2), ("2.0", 1, 1)]


def test_what_is_missing_and_why(engine):
    street = Street(engine, 5)
    street.meters["meter-1"].dead = LineError("silence")
    street.meters["meter-2"].refuses = {PROFILE}
    street.meters["meter-3"].lacks = {DAY * DAY_S + HOUR}
    street.plan()
    street.once()
    street.start += 2 * DAY_S
    with engine.reading() as view:
        known = plans(view, street.tenant)
        now = street.clock() - 2 * DAY_S
        found, after = missing_meters(view, street.tenant, known, now=now)
        whys = [(each.external_id, each.state, each.reason) for each in found]
        assert whys == [
            ("meter-1", "waiting", "line"),
            ("meter-2", "waiting", "refused"),
            ("meter-3", "waiting", "short"),
        ]
        assert after is None
        assert found[0].message == "silence"
        assert found[0].days_silent is None
        first, after = missing_meters(view, street.tenant, known, now=now, limit=2)
        rest, _ = missing_meters(view, street.tenant, known, now=now, limit=2, after=after)
        assert [each.external_id for each in first + rest] == ["meter-1", "meter-2", "meter-3"]
        among = METER.c.external_id == "meter-2"
        (only,), _ = missing_meters(view, street.tenant, known, now=now, among=among)
        assert only.external_id == "meter-2"
        later, _ = missing_meters(view, street.tenant, known, now=street.clock())
        assert next(each for each in later if each.external_id == "meter-2").days_silent == 2
        told = sessions(view, street.tenant)
        assert {each.outcome for each in told} == {"done", "line"}
        assert len(sessions(view, street.tenant, before=told[2].number, limit=2)) == 2


def test_days_are_read_again_when_an_operator_wants_it(engine):
    street = Street(engine, 2)
    street.plan(registers=[], back_days=3)
    street.once()
    with engine.transaction() as connection:
        (known,) = plans(connection, street.tenant)
        marks = mark_to_read_again(
            connection, street.tenant, [street.numbers["meter-0"]], known.items,
            first_day=DAY - 20, last_day=DAY - 19, by="anna", now=street.clock(),
        )  # fmt: skip
    assert marks == 2
    street.meters["meter-0"].asked.clear()
    summary = street.once()
    assert summary.intervals == 48
    (asked,) = [each for each in street.meters["meter-0"].asked if each[0] == PROFILE]
    assert (asked[1].timestamp() // DAY_S, asked[2].timestamp() // DAY_S) == (DAY - 20, DAY - 18)
    assert street.rows(REREAD) == []
    assert street.meters["meter-1"].opened == 1
    assert street.rows(LACK) == []


def test_pushes_fill_gaps_too(engine):
    """What came in by another way is not asked for, and counts."""
    street, other = Street(engine, 1), Street(engine, 1)
    for each in (street, other):
        each.plan(registers=[])
    other.once()
    with engine.transaction() as connection:
        from ferraris.headend.store.exchange import pack_series

        from .neighbourhood import series

        span = DAY * DAY_S, (DAY + 1) * DAY_S
        brought = Brought(blocks=pack_series(PROFILE, series(0, *span), *span))
        street.archive.put(
            connection, street.numbers["meter-0"], brought, source="push", now=street.clock()
        )

    async def some_time():
        collection = street.collection(settings={"count_s": 5.0})
        task = asyncio.ensure_future(collection.run())
        await asyncio.sleep(1)
        collection.touched([DAY])
        await asyncio.sleep(10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtually(some_time())
    assert success(street) == (1, 1, 0)
    assert street.meters["meter-0"].opened == 0
