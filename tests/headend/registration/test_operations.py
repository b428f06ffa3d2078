"""What operators do with registrations, strangers, keys and alarms."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import insert, select

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.access.rights import Right
from ferraris.headend.collect.alarms import Signal, signal
from ferraris.headend.operations import (
    Caller,
    ConflictError,
    ForbiddenError,
    House,
    NotFoundError,
    alarms,
    strangers,
)
from ferraris.headend.operations import registration as operations
from ferraris.headend.operations.alarms import Acknowledgement
from ferraris.headend.operations.performing import perform
from ferraris.headend.operations.strangers import Admission
from ferraris.headend.registration import Reason
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.inventory import METER, TENANT
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

NOON = 1_795_003_200.0


def run(procedure):
    async def limited():
        async with asyncio.timeout(20):
            return await procedure

    return asyncio.run(limited())


@pytest.fixture
def do(colony):
    """Performs an operation as anna, or as whoever else."""
    house = House(colony.engine, colony.keys, colony.clock)

    def perform_it(function, caller=None, **arguments):
        anna = caller or Caller("anna", colony.tenant, dict.fromkeys(Right))
        return perform(house, anna, function.operation, arguments)

    return perform_it


def others(colony, *rights, among=None):
    return Caller("otto", colony.tenant, dict.fromkeys(rights, among))


def foreign(colony):
    with colony.engine.transaction() as connection:
        number = connection.execute(
            insert(TENANT).values(name="south").returning(TENANT.c.id)
        ).scalar_one()
    return Caller("sally", number, dict.fromkeys(Right))


def audited(colony):
    with colony.engine.reading() as connection:
        return connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).all()


def test_a_meter_is_commissioned_shown_and_its_keys_are_renewed(colony, do):
    async def scenario():
        async with colony.fleet(1) as (fleet, _):
            name = colony.meter(1).external_id
            registrar = colony.registrar()
            asked = do(operations.commission_meter, meter=name)
            assert (asked.step, asked.asked_by, asked.state) == ("asked for", "anna", "known")
            await registrar.round()
            shown = do(operations.show_registration, meter=name)
            assert (shown.step, shown.state, shown.clock_offset_s) == ("active", "active", 0)
            first = fleet[0].keys.encryption_key
            renewed = do(operations.renew_keys_of_meter, meter=name)
            assert renewed.step == "time right"
            with pytest.raises(ConflictError):
                do(operations.renew_keys_of_meter, meter=name)  # it is on its way
            await registrar.round()
            second = fleet[0].keys.encryption_key
            assert do(operations.renew_keys_of_group, group="active").meters == 1
            await registrar.round()
            return first, second, fleet[0].keys.encryption_key

    with colony.engine.transaction() as connection:
        inventory.create_group(connection, colony.tenant, "active", 'state = "active"')
    keys = run(scenario())
    assert len(set(keys)) == 3
    assert colony.life(1) == [("known", "installed"), ("installed", "active")]
    assert do(operations.show_registration, meter=colony.meter(1).external_id).step == "active"


def test_many_get_new_keys_and_those_that_are_no_such_are_left_out(colony, do):
    fleet = Fleet(template("residential"), 5, seed=7)
    for index, state in enumerate(("active", "active", "known", "suspended", "active")):
        colony.deliver(fleet, index, state=state)
    do(operations.commission_meter, meter=colony.meter(1).external_id)
    with colony.engine.transaction() as connection:
        inventory.create_group(connection, colony.tenant, "north", 'kind = "meter"')
    assert do(operations.renew_keys_of_group, group="north").meters == 2
    listed = do(operations.list_registrations)
    assert [each.step for each in listed.items] == ["asked for", "time right", "time right"]
    first = do(operations.list_registrations, step="time right", limit=1)
    assert (len(first.items), first.next) == (1, "2")
    assert len(do(operations.list_registrations, step="time right", after=first.next).items) == 1
    with pytest.raises(UsageError, match="no step"):
        do(operations.list_registrations, step="sideways")


def test_a_stranger_is_admitted_proves_itself_and_is_active(colony, do):
    async def scenario():
        async with colony.fleet(1) as (fleet, listening):
            line = listening.line(0)
            with colony.engine.transaction() as connection:
                connection.execute(METER.delete())
            colony.strangers.take_note(
                colony.tenant, line["system_title"], Reason.UNKNOWN, peer="udp://127.0.0.1:9"
            )
            colony.strangers.flush()
            (stranger,) = do(strangers.list_strangers).items
            keys = json.dumps(line | {"master_key": fleet.key(0, b"master").hex()}).encode()
            body = Admission("new", keys, address=line["url"], server=line["server"])
            view = do(strangers.admit_stranger, stranger=stranger.number, body=body)
            assert (view.meter, view.step) == ("new", "asked for")
            assert do(strangers.list_strangers).items == []
            assert len(do(strangers.list_strangers, decision="admitted").items) == 1
            await colony.registrar().round()
            return line

    line = run(scenario())
    (number,) = colony.numbers()
    meter = colony.meter(number)
    assert (meter.external_id, meter.state) == ("new", "active")
    assert meter.system_title.hex() == line["system_title"]
    assert meter.logical_device_name == line["id"]
    text = repr(audited(colony)) + repr(body_without(line))
    assert line["encryption_key"] not in text


def body_without(line):
    """What an admission shows of itself."""
    return Admission("new", line["encryption_key"].encode())


@pytest.mark.parametrize(
    "keys", [b"{", b"[]", b"{}", b'{"encryption_key": "00"}', b'{"encryption_key": 7}', b"1" * 5000]
)
def test_keys_that_are_none_admit_nobody_and_are_not_repeated(colony, do, keys):
    colony.strangers.take_note(colony.tenant, "ab", Reason.UNKNOWN)
    colony.strangers.flush()
    with pytest.raises(UsageError) as caught:
        do(strangers.admit_stranger, stranger=1, body=Admission("new", keys))
    assert str(caught.value) == "the keys are a JSON object with keys of 16 or 32 octets in " \
        "hexadecimal"  # fmt: skip
    assert colony.numbers() == []
    assert do(strangers.list_strangers).items[0].decision == ""


def test_an_active_meters_keys_are_not_replaced_by_an_admission(colony, do):
    fleet = Fleet(template("residential"), 1, seed=7)
    colony.deliver(fleet, 0, external_id="old", state="active")
    colony.strangers.take_note(colony.tenant, "old", Reason.WRONG_KEY)
    colony.strangers.flush()
    keys = json.dumps({"encryption_key": "00" * 16}).encode()
    with pytest.raises(ConflictError):
        do(strangers.admit_stranger, stranger=1, body=Admission("old", keys))
    assert colony.keys.get("north/old", "encryption_key") != bytes(16)


def test_a_refused_stranger_is_counted_and_not_listed(colony, do):
    for _ in range(3):
        colony.strangers.take_note(colony.tenant, "ab", Reason.UNKNOWN)
        colony.strangers.flush()
        do(strangers.refuse_stranger, stranger=1)
    assert do(strangers.list_strangers).items == []
    (row,) = do(strangers.list_strangers, decision="refused").items
    assert row.times == 3


def test_alarms_are_listed_and_acknowledged_where_one_may(colony, do):
    fleet = Fleet(template("residential"), 2, seed=7)
    names = [colony.meter(colony.deliver(fleet, index, state="active")) for index in range(2)]
    with colony.engine.transaction() as connection:
        for row in names:
            told = Signal(row.id, row.external_id, NOON, {"cover open": True, "fire": True})
            signal(connection, colony.tenant, [told])
        over = Signal(names[1].id, names[1].external_id, NOON + 5, {"fire": False})
        signal(connection, colony.tenant, [over])
    assert [each.number for each in do(alarms.list_alarms).items] == [4, 3, 2, 1]
    assert len(do(alarms.list_alarms, lasting=True).items) == 3
    page = do(alarms.list_alarms, limit=3)
    assert [each.number for each in do(alarms.list_alarms, after=page.next).items] == [1]
    own = others(
        colony,
        Right.COMMAND,
        Right.SEE_METERS,
        among=select(METER.c.id).where(METER.c.id == names[0].id),
    )
    assert {each.meter for each in do(alarms.list_alarms, own).items} == {names[0].external_id}
    with pytest.raises(NotFoundError):
        do(alarms.acknowledge_alarm, own, alarm=3)
    with pytest.raises(UsageError):
        do(alarms.acknowledge_alarm, own, alarm=1, body=Acknowledgement("x" * 501))
    seen = do(alarms.acknowledge_alarm, own, alarm=1, body=Acknowledgement(" seen on site\n"))
    assert (seen.acknowledged_by, seen.comment, seen.cleared) == ("otto", "seen on site", None)
    again = do(alarms.acknowledge_alarm, alarm=1, body=Acknowledgement("late"))
    assert (again.acknowledged_by, again.comment) == ("otto", "seen on site")  # the first counts
    unseen = do(alarms.list_alarms, unseen=True, meter=names[0].external_id).items
    assert [each.number for each in unseen] == [2]


def test_another_tenant_sees_and_changes_nothing(colony, do):
    fleet = Fleet(template("residential"), 1, seed=7)
    row = colony.meter(colony.deliver(fleet, 0, state="active"))
    colony.strangers.take_note(colony.tenant, "ab", Reason.UNKNOWN)
    colony.strangers.flush()
    with colony.engine.transaction() as connection:
        signal(connection, colony.tenant, [Signal(row.id, row.external_id, NOON, {"fire": True})])
    sally = foreign(colony)
    for function, arguments in (
        (operations.commission_meter, {"meter": row.external_id}),
        (operations.show_registration, {"meter": row.external_id}),
        (operations.renew_keys_of_meter, {"meter": row.external_id}),
        (operations.renew_keys_of_group, {"group": "nobody's"}),
        (strangers.refuse_stranger, {"stranger": 1}),
        (strangers.admit_stranger, {"stranger": 1, "body": Admission("x")}),
        (alarms.acknowledge_alarm, {"alarm": 1}),
    ):
        with pytest.raises(NotFoundError):
            do(function, sally, **arguments)
    for function in (
        alarms.list_alarms,
        strangers.list_strangers,
        operations.list_registrations,
    ):
        assert do(function, sally).items == []


def test_who_has_no_right_is_refused(colony, do):
    viewer = others(colony, Right.SEE_METERS)
    for function, arguments in (
        (operations.commission_meter, {"meter": "x"}),
        (operations.renew_keys_of_meter, {"meter": "x"}),
        (strangers.admit_stranger, {"stranger": 1, "body": Admission("x")}),
        (alarms.acknowledge_alarm, {"alarm": 1}),
    ):
        with pytest.raises(ForbiddenError):
            do(function, viewer, **arguments)
    some = others(colony, Right.SEE_METERS, among=select(METER.c.id))
    with pytest.raises(ForbiddenError):
        do(strangers.list_strangers, some)
