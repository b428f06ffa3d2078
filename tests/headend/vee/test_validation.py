"""The part of the service: it goes on, it stops, it does not get in another's way."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import event, select, update

from ferraris.core.errors import Error
from ferraris.headend.privacy import CustomerSealer
from ferraris.headend.store.changes import changes_after
from ferraris.headend.store.due import mark_due
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.records import StoreAwayError
from ferraris.headend.store.tables.inventory import (
    CUSTOMER,
    METER,
    SERVICE_POINT,
    SERVICE_POINT_METER,
)
from ferraris.headend.store.tables.validated import FINAL, VEE_DUE
from ferraris.headend.vee import Quality
from ferraris.headend.vee.claims import claim
from ferraris.headend.vee.columns_series import final_series
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rounds import Rounds
from ferraris.headend.vee.running import Run
from ferraris.headend.vee.validation import Validation
from ferraris.keys import MemoryKeys

from .world import DAY, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S


async def inline(function, *arguments):
    await asyncio.sleep(0)
    return function(*arguments)


def part(world, **settings):
    return Validation(world.rounds, clock=lambda: world.now, offload=inline, **settings)


def test_it_works_off_what_is_due_and_says_so(make_world):
    world = make_world(meters=3)
    for meter in range(3):
        world.put(rows_of(START - 900, END), meter=meter)
    world.rounds.most = 2
    kept = asyncio.run(part(world).catch_up())
    assert (kept.due, kept.finals) == (6, 3)
    with world.engine.reading() as connection:
        told = [each for each in changes_after(connection, world.tenant, 0) if each.kind == "vee"]
    assert sum(each.detail["meters"] for each in told) == 3


def test_it_goes_on_when_the_store_is_back(make_world, monkeypatch):
    world = make_world()
    world.put(rows_of(START - 900, END))
    away = [StoreAwayError("away", where="store"), StoreAwayError("still", where="store")]
    once = world.rounds.once

    def sometimes(now):
        if away:
            raise away.pop()
        return once(now)

    monkeypatch.setattr(Rounds, "once", lambda self, now: sometimes(now))
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(part(world, sleep=sleep).run())
    assert slept == [2.0] * 3
    assert (IMPORT, DAY) in world.finals()


@pytest.mark.parametrize(
    "location", [pytest.param("postgresql", marks=pytest.mark.services)], indirect=True
)
def test_what_was_undone_for_others_is_done_again_and_counted_once(engine):
    world = World(engine, meters=3)
    for meter in range(3):
        world.put(rows_of(START - 900, END), meter=meter)
    commits = []

    def in_the_way(connection):
        """Every other transaction that writes comes to nothing when it would have been done."""
        if connection.get_execution_options().get("postgresql_readonly"):
            return
        commits.append(len(commits))
        if commits[-1] % 2 == 0:
            raising = "DO $$ BEGIN RAISE EXCEPTION 'quicker' USING ERRCODE = '40001'; END $$"
            connection.exec_driver_sql(raising)

    event.listen(engine.sqlalchemy, "commit", in_the_way)
    kept = asyncio.run(part(world).catch_up())
    event.remove(engine.sqlalchemy, "commit", in_the_way)
    assert len(commits) == 6  # days of which nothing came, the claim, what was made of it
    assert (kept.due, kept.finals) == (6, 3)
    assert {version for _, _, version in world.versions()} == {1}
    assert world.due() == []


def test_it_finishes_its_round_before_it_stops(make_world):
    world = make_world()
    world.put(rows_of(START - 900, END))
    begun, go = threading.Event(), threading.Event()
    once = world.rounds.once

    class Slow(Rounds):
        def once(self, now):
            begun.set()
            go.wait(10)
            return once(now)

    async def stopped():
        validation = Validation(Slow(world.engine), clock=lambda: world.now)
        running = asyncio.create_task(validation.run())
        await asyncio.to_thread(begun.wait, 10)
        running.cancel()
        await asyncio.sleep(0)
        assert not running.done()
        go.set()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(stopped())
    assert world.due() == []
    assert (IMPORT, DAY) in world.finals()


def test_a_claim_that_nobody_keeps_ends(make_world):
    world = make_world()
    world.put(rows_of(START - 900, END))
    with world.engine.transaction() as connection:
        assert len(claim(connection, world.tenant, 100, now=world.now, lease_s=120)) == 2
    assert world.rounds.once(world.now) is None
    assert world.rounds.once(world.now + 121).finals == 1


def test_a_failure_frees_what_was_claimed(make_world, monkeypatch):
    world = make_world()
    world.put(rows_of(START - 900, END))

    def full(*_):
        raise StoreAwayError("full", where="store")

    with monkeypatch.context() as patch:
        patch.setattr("ferraris.headend.vee.rounds.keep", full)
        with pytest.raises(StoreAwayError):
            world.rounds.once(world.now)
    assert world.rounds.once(world.now).finals == 1


def test_what_comes_while_a_round_is_at_it_is_not_lost(engine):
    """The late rows arrive after the round has read, and before it writes."""
    world = World(engine)
    hole = START + 40 * 900, START + 44 * 900
    rows = rows_of(START - 900, END)
    world.put([row for row in rows if not hole[0] < row[0] < hole[1]])

    work = Run.work

    def overtaken(run, due):
        ran = work(run, due)
        world.put([row for row in rows if hole[0] < row[0] < hole[1]])
        return ran

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "work", overtaken)
        kept = world.rounds.once(world.now)
    assert (kept.overtaken, kept.finals) == (1, 0)
    world.run()
    assert world.due() == []
    _, columns = world.finals()[IMPORT, DAY]
    assert (columns.quality == Quality.VALID).all()
    assert (columns.version == 1).all()


def test_a_register_that_comes_while_a_round_is_at_it_is_not_lost(engine):
    """The day has no final values yet, so they cannot be marked; the round is overtaken."""
    world = World(engine)
    world.put(rows_of(START - 900, END - 8 * 900))
    work = Run.work

    def overtaken(run, due):
        ran = work(run, due)
        world.read({IMPORT: counted(END)}, END)
        return ran

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "work", overtaken)
        kept = world.rounds.once(world.now)
    assert (kept.overtaken, kept.finals) == (1, 0)
    world.run()
    assert world.due() == []
    row, _ = world.finals()[IMPORT, DAY]
    assert (row.version, row.missing) == (1, 0)
    assert sum(world.values()) == counted(END) - counted(START)


def test_two_heads_on_one_store(engine, location):
    """Both work at the same days, which are marked again and again meanwhile."""
    world = World(engine, meters=6)
    rows = {meter: rows_of(START - 900, END + 3 * DAY_S, seed=meter) for meter in range(6)}
    others = Engine(location)
    heads = [Rounds(engine, most=5), Rounds(others, most=7)]
    failures = []

    def head(rounds, stop):
        try:
            while not stop.is_set():
                rounds.all(world.now)
        except Error as error:
            failures.append(error)

    stop = threading.Event()
    threads = [threading.Thread(target=head, args=(rounds, stop)) for rounds in heads]
    for thread in threads:
        thread.start()
    for begin in range(0, 400, 57):
        for meter, column in rows.items():
            some = column[begin : begin + 57]
            if some:
                world.put([row for row in some if row[0] % 7 != meter], meter=meter)
    for meter, column in rows.items():
        world.put(column, meter=meter)
    stop.set()
    for thread in threads:
        thread.join(60)
    world.run()
    others.close()
    assert [error for error in failures if not isinstance(error, StoreAwayError)] == []
    assert world.due() == []
    for meter in range(6):
        for day in range(4):
            _, columns = world.finals(meter)[IMPORT, DAY + day]
            start = START + day * DAY_S
            assert columns.final.sum() == counted(start + DAY_S, meter) - counted(start, meter)
            assert (columns.quality == Quality.VALID).all()
            assert columns.version.max() >= 1


def test_days_of_which_nothing_came_are_estimated_once_nobody_expects_them(make_world):
    world = make_world(meters=2)
    with world.engine.transaction() as connection:
        connection.execute(update(METER).values(state="active"))
        connection.execute(
            update(METER).where(METER.c.id == world.meters[1]).values(state="suspended")
        )
    for meter in (0, 1):
        world.put(rows_of(START - 14 * DAY_S - 900, START), meter=meter)
    world.now = float(END + DAY_S)
    validation = part(world, patience_s=DAY_S)
    asyncio.run(validation.catch_up())
    assert (IMPORT, DAY) not in world.finals()
    world.now += 3600
    asyncio.run(validation.catch_up())
    assert world.finals()[IMPORT, DAY][0].estimated == 96
    assert (IMPORT, DAY + 1) not in world.finals()
    assert (IMPORT, DAY) not in world.finals(1)
    world.put(rows_of(START, END))
    asyncio.run(validation.catch_up())
    assert world.finals()[IMPORT, DAY][0].estimated == 0
    assert sum(world.values()) == counted(END) - counted(START)


def test_final_values_of_a_customer_are_sealed(engine):
    keys = MemoryKeys()
    sealer = CustomerSealer(engine, keys)
    world = World(engine, sealer=sealer)
    with engine.transaction() as connection:
        customer = connection.execute(
            CUSTOMER.insert().values(tenant=world.tenant, name="x").returning(CUSTOMER.c.id)
        ).scalar_one()
        point = connection.execute(
            SERVICE_POINT.insert().values(tenant=world.tenant, name="p", zone="UTC")
            .returning(SERVICE_POINT.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            SERVICE_POINT_METER.insert().values(
                tenant=world.tenant, service_point=point, since_s=START, meter=world.meters[0],
                customer=customer,
            )
        )  # fmt: skip
    hole = START + 40 * 900, START + 44 * 900
    rows = rows_of(START - 900, END)
    world.put([row for row in rows if not hole[0] < row[0] < hole[1]])
    world.run()
    world.put(rows)
    assert world.run().finals == 1
    with engine.reading() as connection:
        seals = connection.execute(select(FINAL.c.seal, FINAL.c.version)).all()
        profile = connection.execute(select(FINAL.c.profile)).scalars().first()
        (series,) = final_series(connection, sealer, world.meters[0], profile, (START, END))
    assert sorted(tuple(row) for row in seals) == [(customer, 1), (customer, 2)]
    assert sum(series.final) == counted(END) - counted(START)
    with engine.transaction() as connection:
        sealer.destroy(connection, customer, world.now)
        connection.execute(
            update(CUSTOMER).where(CUSTOMER.c.id == customer).values(erased_s=world.now)
        )
        mark_due(connection, world.tenant, [(world.meters[0], profile, DAY)], reason="x", at_s=1.0)
    gone = CustomerSealer(engine, keys)
    assert Rounds(engine, gone).all(world.now).finals == 0
    with engine.reading() as connection:
        assert connection.execute(select(VEE_DUE.c.day)).all() == []
        (series,) = final_series(connection, gone, world.meters[0], profile, (START, END))
    assert (len(series), series.erased_days) == (0, 1)
