"""The push object list, asked of a meter, gives names and scalers to what it pushes."""

from __future__ import annotations

import pytest
from pairing import Pair

from ferraris.client.meter import Meter
from ferraris.client.push import Push
from ferraris.client.push_lists import learn_push_list
from ferraris.client.push_receiving import PushReceiver
from ferraris.client.pushed import PushedList
from ferraris.core.errors import RefusedError, UsageError
from ferraris.data import axdr
from ferraris.data.kinds import double_long_unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.model.data_storage import CaptureObject
from ferraris.server.device import RequestContext
from ferraris.server.pushing import PushItem, data_notification, push_object_list

SETUP = "0-0:25.9.0*255"


def learnt(pair: Pair) -> PushedList:
    async def procedure(meter: Meter) -> PushedList:
        return await learn_push_list(meter, SETUP)

    return pair.run(pair.security("gmac"), procedure)


def test_a_list_learnt_from_the_meter_scales_values_that_come_alone():
    pair = Pair()
    known = learnt(pair)
    context = RequestContext(1, now=pair.utc())
    meter = pair.fleet[0]
    objects = push_object_list(meter, bytes(Obis.parse(SETUP)), context)
    sent = data_notification(meter, objects, context)
    bare = data_notification(meter, objects[1:], context)
    receiver = PushReceiver(lists=lambda title: known)
    (with_list,), (alone,) = receiver.take(sent, "m"), receiver.take(bare, "m")
    assert isinstance(with_list, Push)
    assert isinstance(alone, Push)
    assert [tuple(each)[:3] for each in with_list.values] == [
        tuple(each)[:3] for each in alone.values
    ]
    units = [str(each.unit) for each in alone.values if each.unit is not None]
    assert units == ["Wh", "Wh", "W", "W", "V", "A"]


def test_scalers_of_the_meter_go_to_lists_that_bring_none():
    pair = Pair()
    known = learnt(pair)
    voltage = next(each for each in known.objects if each.name == Obis.parse("1-0:32.7.0*255"))
    assert (voltage.scaler, str(voltage.unit)) == (-1, "V")
    listed = "0101020412000309060100200700ff0f02120000"
    body = "0202" + "0102020412002809060000190900ff0f02120000" + listed[4:] + "12090a"
    octets = DataNotification(1, b"", bytes.fromhex(body)).to_octets()
    axdr.decode(bytes.fromhex(body))
    (push,) = PushReceiver(lists=lambda title: known).take(octets, "m")
    assert isinstance(push, Push)
    assert [(str(each.value), str(each.unit)) for each in push.values] == [("231.4", "V")]


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_the_list_is_pushed_on_the_open_association(scheme: str):
    pair = Pair(scheme)
    context = RequestContext(1, now=pair.utc())
    meter = pair.fleet[0]
    objects = push_object_list(meter, bytes(Obis.parse(SETUP)), context)
    notification = decode(data_notification(meter, objects, context, invoke_id=7))
    assert isinstance(notification, DataNotification)

    async def procedure(client: Meter) -> None:
        pair.notify(1, notification)
        await client.read("1-0:1.8.0")
        await client.read("1-0:1.8.0")

    pair.run(pair.security("gmac"), procedure)
    (pushed,) = pair.pushes
    (push,) = PushReceiver().take(pushed.to_octets(), "the association")
    assert isinstance(push, Push)
    assert push.device == meter.logical_device_name.decode()
    assert len(push.readings) == 8


def test_a_pushed_profile_becomes_a_series():
    pair = Pair()
    profile = "0-1:25.9.0*255"

    async def procedure(meter: Meter) -> PushedList:
        return await learn_push_list(meter, profile)

    known = pair.run(pair.security("gmac"), procedure)
    meter = pair.fleet[0]
    noon = int(pair.utc())
    since = meter.zone.stamp(noon - 3600)
    learnt, bare = PushReceiver(lists=lambda title: known), PushReceiver()
    for hour in range(4):  # as many rows each time: what was seen before must not be taken again
        now = noon + hour * 3600
        context = RequestContext(1, now=now)
        objects = push_object_list(meter, bytes(Obis.parse(profile)), context)
        since = meter.zone.stamp(now - 3599)
        sent = data_notification(meter, objects, context, since=since)
        for receiver, unit in ((learnt, 30), (bare, 255)):
            (push,) = receiver.take(sent, "m")
            assert isinstance(push, Push)
            (series,) = push.series
            assert str(series.profile) == "1-0:99.1.0*255"
            assert list(series.ends) == [now // 900 * 900 - 900 * n for n in (3, 2, 1, 0)]
            assert [each.unit for each in series.channels] == [unit, unit]
            assert list(series.columns[0]) == [meter.total(0, end) for end in series.ends]
            assert [each.origin for each in push.readings] == ["data-notification 1/2"]


def test_the_last_entries_of_a_profile_and_some_of_its_columns():
    pair = Pair()
    meter, context = pair.fleet[0], RequestContext(1, now=pair.utc())
    profile = Obis.parse("1-0:99.1.0*255")
    clock = CaptureObject(8, Obis.parse("0-0:1.0.0*255"), 2, 0)
    energy = CaptureObject(3, Obis.parse("1-0:1.8.0*255"), 2, 0)
    export = energy._replace(logical_name=Obis.parse("1-0:2.8.0*255"))

    def rows(*span: int, columns: tuple[CaptureObject, ...] = ()) -> list[list[int]]:
        ends = tuple(double_long_unsigned(each) for each in span)
        item = PushItem(7, profile, 2, 0, 2, ends, columns)
        sent = decode(data_notification(meter, [item], context))
        assert isinstance(sent, DataNotification)
        (buffer,) = axdr.decode(sent.body)[1]
        return [[field[1] for field in row[1]] for row in buffer[1]]

    held = rows(1, 0)
    assert rows(0, 3) == held[-3:]
    assert rows(2, 4) == held[1:4]
    assert rows(0, 2, columns=(export, clock)) == [[row[3], row[0]] for row in held[-2:]]
    with pytest.raises(UsageError, match="columns"):
        rows(0, 2, columns=(energy._replace(class_id=4),))
    whole = PushItem(7, profile, 2, 0, 0, (), (clock, energy))
    sent = decode(data_notification(meter, [whole], context))
    assert isinstance(sent, DataNotification)
    assert len(axdr.decode(sent.body)[1][0][1]) == len(held)


def test_a_meter_without_the_object_says_so():
    pair = Pair()

    async def procedure(meter: Meter) -> None:
        with pytest.raises(RefusedError):
            await learn_push_list(meter, "0-0:25.9.7*255")

    pair.run(pair.security("gmac"), procedure)
