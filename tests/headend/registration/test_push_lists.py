from __future__ import annotations

import pytest
from doors import run
from sqlalchemy import select

from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.headend import inventory
from ferraris.headend.collect import DlmsMeters
from ferraris.headend.collect.target import Target
from ferraris.headend.inventory import key_id
from ferraris.headend.registration.push_learning import PushLearning
from ferraris.headend.registration.push_lists import fingerprint
from ferraris.headend.store.tables.inventory import REGISTRATION
from ferraris.model.data_storage import CaptureObject
from ferraris.model.push import PushSetup

SETUP = Obis.parse("0-0:25.9.0*255")
TITLE = b"FRR\x00\x00\x00\x00\x01"


def listing(name):
    objects = [CaptureObject(40, SETUP, 2, 0), CaptureObject(4, Obis.parse(name), 2, 0)]
    return [(SETUP, axdr.encode(PushSetup.push_object_list.type.dump(objects)))]


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("1-0:1.8.0*255", True),
        ("0-0:24.2.1*255", True),
        ("0-1:24.2.1*255", False),
        ("0-10:24.3.0*255", False),  # its channel is the octet of a line's end
    ],
)
def test_alike_hosts_share_no_scalers_of_what_is_on_their_channels(name, shared):
    first, second = (fingerprint(listing(name), "model/template", own) for own in ("1/0", "2/0"))
    assert (first == second) is shared
    assert first == fingerprint(listing(name), "model/template", "1/0")
    assert first != fingerprint(listing(name), "another", "1/0")


def test_what_a_host_pushes_is_asked_again_when_another_device_is_on_a_channel(colony):
    async def scenario():
        async with colony.fleet(1, name="mbus-host", state="active", external_id="H") as (fleet, _):
            learning = PushLearning(colony.engine, clock=colony.clock)
            meters = DlmsMeters(
                colony.keys,
                system_title=TITLE,
                key_of=lambda target: key_id("north", target.external_id),
                met=learning.meet,
            )
            target = Target.of(colony.meter(1))
            known = []

            async def session():
                learning.prepare([target])
                floor = fleet[0].receive_floor(1)
                async with meters.open(target):
                    pass
                known.append((lists(colony), fleet[0].receive_floor(1) - floor))

            await session()
            await session()
            gas = inventory.NewMeter(
                external_id="G", kind=inventory.Kind.SUB_METER, behind="H", channel=1
            )
            with colony.engine.transaction() as connection:
                inventory.enrol(connection, colony.tenant, [gas], at_s=colony.clock())
            assert lists(colony) is None
            await session()
            for number, is_kept in (("1", True), ("2", False)):  # first told, then another
                with colony.engine.transaction() as connection:
                    inventory.change(
                        connection, colony.tenant, "G", {"serial_number": number}, at_s=0.0
                    )
                assert (lists(colony) is not None) is is_kept
            await session()
            return known

    (first, asked), (second, again), (third, _), (fourth, _) = run(scenario())
    assert first is not None
    assert first == second == third == fourth  # none of its lists has a channel
    assert again < asked


def lists(colony):
    with colony.engine.reading() as connection:
        return connection.execute(select(REGISTRATION.c.push_lists)).scalar_one()
