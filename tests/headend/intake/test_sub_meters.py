"""What hosts push for the meters on their channels: whose it is, and whose it is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from doors import BOTH, DAY, ENERGY, NOON, Talker, bare_pusher, readings, run, taking, until
from sqlalchemy import insert

from ferraris.client import HighGMAC, connect
from ferraris.client.profile import read_layout
from ferraris.data import axdr
from ferraris.data.kinds import (
    array,
    enum,
    integer,
    long_unsigned,
    null_data,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.headend.registration.push_lists import PushLists
from ferraris.headend.registration.states import Step
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.exchange import pack_series
from ferraris.headend.store.records import Brought
from ferraris.headend.store.tables.inventory import LIFE, PUSH_LISTS, REGISTRATION
from ferraris.line.url import Endpoint
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.meter.fleet import Fleet
from ferraris.meter.mbus_devices import devices_of
from ferraris.meter.serving import listen
from ferraris.meter.templates import template
from ferraris.server.device import RequestContext
from ferraris.transport import wrapper

VALUE, HOURS, LOG = "0-0:24.2.1*255", "0-0:24.3.0*255", "0-0:24.5.0*255"
SETUP = (40, "0-3:25.9.0*255", 2)
ENERGY_NOW = (3, ENERGY, 2)


def of_channel(channel, *, identity=True):
    """What a consumer information push has of a channel."""
    client, value = f"0-{channel}:24.1.0*255", f"0-{channel}:24.2.1*255"
    told = [(4, value, 2), (4, value, 3), (4, value, 5)]
    return [(72, client, 6), (72, client, 7), *told] if identity else told


class Street:
    """Hosts with a push set-up of their own, and what the inventory has behind them."""

    def __init__(self, colony, count=1):
        self.colony = colony
        self.fleet = Fleet(template("mbus-host"), count, seed=7)
        self.hosts = [colony.deliver(self.fleet, n, state="active") for n in range(count)]

    def device(self, host, channel):
        return devices_of(self.fleet[host])[channel - 1]

    def sub_meter(self, host=0, channel=1, **fields):
        given = {
            "external_id": f"S{host}-{channel}", "kind": "sub-meter", "state": "active",
            "behind": self.hosts[host], "channel": channel,
            "serial_number": self.device(host, channel).address.number,
        }  # fmt: skip
        return self.colony.enrol(**given | fields)

    def apdu(self, *listed, host=0, rows=()):
        """A push whose list comes first, with what the objects of the meter have; `rows` are
        profiles with all their columns."""
        meter, context = self.fleet[host], RequestContext(1, now=int(self.colony.clock()))
        got = lambda kind, name, attribute: axdr.decode(  # noqa: E731
            meter.get(meter.objects[kind, bytes(Obis.parse(name))], attribute, None, context)
        )
        elements = [_element(*SETUP), *(_element(*each) for each in listed)]
        values = [got(*each) for each in listed]
        for name in rows:
            _, columns = got(7, name, 3)
            elements.append(_element(7, name, 2, columns))
            values.append(got(7, name, 2))
        body = axdr.encode(structure(array(*elements), *values))
        plain = DataNotification(1, b"", body).to_octets()
        made = bare_pusher(self.fleet.template)
        return wrapper.pack(meter.server_sap, 1, made.protected(meter, plain))

    def push(self, *sent):
        async def scenario():
            async with taking(self.colony.intake()) as intake:
                with Talker(intake) as talker:
                    for octets in sent:
                        talker.say(octets)
                    await until(lambda: intake.counts.stored == len(sent))
                return intake.counts

        return run(scenario())

    def values(self, number):
        found = {}
        for each in readings(self.colony, number):
            found.setdefault(str(each.name), each)
        return found

    def series(self, number, profile=HOURS):
        with self.colony.engine.reading() as connection:
            archive = Archive(self.colony.engine, self.colony.tenant)
            return archive.series(connection, number, profile, int(NOON) - 40 * DAY, int(NOON))

    def events(self, number):
        with self.colony.engine.reading() as connection:
            archive = Archive(self.colony.engine, self.colony.tenant)
            return archive.events(connection, number, 0, int(NOON) + DAY)


def _element(kind, name, attribute, columns=()):
    return structure(
        long_unsigned(kind), octet_string(bytes(Obis.parse(name))), integer(attribute),
        long_unsigned(0), structure(enum(0), null_data(), null_data()), array(*columns),
    )  # fmt: skip


@BOTH
def test_values_of_channels_are_those_of_the_meters_there(colony):
    street = Street(colony)
    gas, water = street.sub_meter(channel=1), street.sub_meter(channel=2)
    counts = street.push(street.apdu(ENERGY_NOW, *of_channel(1), *of_channel(2)))
    (host,) = street.hosts
    assert set(street.values(host)) == {ENERGY}
    for number, channel in ((gas, 1), (water, 2)):
        value = street.values(number)[VALUE]
        hour = int(NOON) // 3600 * 3600
        assert value.value * 1000 == street.device(0, channel).value(street.fleet[0], hour)
        assert str(value.unit) == "m³"
        assert value.time == datetime.fromtimestamp(hour, UTC)  # when the host had it
        assert colony.meter(number).heard_s == NOON
    assert counts.channels == {"stored": 2}
    assert colony.quarantined() == []


@BOTH
def test_a_channel_on_which_no_meter_is_known_stays_with_the_host(colony):
    street = Street(colony, 2)
    other = street.sub_meter(host=1, channel=1)  # the same channel, of another host
    retired = street.sub_meter(channel=1, state="retired", external_id="before")
    counts = street.push(street.apdu(ENERGY_NOW, *of_channel(1)))
    assert "0-1:24.2.1*255" in street.values(street.hosts[0])
    assert street.values(other) == street.values(retired) == {}
    assert counts.channels == {"unknown": 1}


@pytest.mark.parametrize("state", ["known", "installed", "suspended"])
def test_nothing_is_stored_for_a_meter_that_is_not_active(colony, state):
    street = Street(colony)
    gas = street.sub_meter(state=state)
    counts = street.push(street.apdu(ENERGY_NOW, *of_channel(1)))
    assert counts.channels == {"not active": 1}
    assert street.values(gas) == {}
    assert set(street.values(street.hosts[0])) == {ENERGY}


@BOTH
@pytest.mark.parametrize("plate", [False, True])
def test_another_device_on_the_channel_writes_nothing_and_is_told(colony, plate):
    street = Street(colony)
    if plate:
        gas = street.sub_meter(serial_number="FRG03999999999999")
        told = [(1, "0-1:96.1.0*255", 2), *of_channel(1, identity=False)]
    else:
        gas, told = street.sub_meter(serial_number="12345678"), of_channel(1)
    water = street.sub_meter(channel=2)
    counts = street.push(street.apdu(ENERGY_NOW, *told, *of_channel(2)))
    assert counts.channels == {"another device": 1, "stored": 1}
    assert street.values(gas) == {}
    assert VALUE in street.values(water)
    assert set(street.values(street.hosts[0])) == {ENERGY}
    (row,) = colony.quarantined()
    host = colony.meter(street.hosts[0]).external_id
    assert (row.identity, row.reason) == ("S0-1", "another identity")
    assert row.message.startswith(f"channel 1 of {host}: ")


def test_an_empty_channel_has_no_values_of_its_meter(colony):
    street = Street(colony)
    gas = street.sub_meter()
    meter, context = street.fleet[0], RequestContext(1, now=int(NOON))
    meter.act(meter.objects[72, bytes(Obis.parse("0-1:24.1.0*255"))], 2, b"\x0f\x00", context)
    told = [each for each in of_channel(1) if each[0] == 72]
    counts = street.push(street.apdu(ENERGY_NOW, *told))
    assert counts.channels == {"another device": 1}
    assert street.values(gas) == {}


@pytest.mark.parametrize("identity", [False, True])
def test_a_number_that_nobody_tells_or_nobody_knows_is_believed(colony, identity):
    street = Street(colony)
    known = {"serial_number": ""} if identity else {}
    gas = street.sub_meter(**known)
    street.push(street.apdu(ENERGY_NOW, *of_channel(1, identity=identity)))
    assert VALUE in street.values(gas)
    assert colony.meter(gas).serial_number == known.get(
        "serial_number", street.device(0, 1).address.number
    )


def learnt(colony, street, name):
    """What registration would have learnt of a profile, and the rows as a session reads them."""
    line, keys = street.fleet.line(0, ""), street.fleet[0].keys
    security = HighGMAC(keys.encryption_key, keys.authentication_key, invocation_counter=1 << 20)
    where = Endpoint("tcp", "127.0.0.1", 0)

    async def asked():
        async with (
            await listen(street.fleet, where, utc=colony.clock) as listening,
            connect(listening.endpoint(0), server=line["server"], security=security) as meter,
        ):
            since = datetime.fromtimestamp(NOON - 2 * DAY, UTC)
            layout = await read_layout(meter, Obis.parse(name))
            return layout, await meter.profile(name, since, datetime.fromtimestamp(NOON, UTC))

    layout, rows = run(asked())
    text = PushLists(profiles={Obis.parse(name): layout}).to_text()
    with colony.engine.transaction() as connection:
        number = connection.execute(
            insert(PUSH_LISTS)
            .values(tenant=colony.tenant, digest=b"d", document=text)
            .returning(PUSH_LISTS.c.id)
        ).scalar_one()
        connection.execute(
            insert(REGISTRATION).values(
                tenant=colony.tenant, meter=street.hosts[0], step=Step.ACTIVE.value,
                occasion="session", asked_by="", since_s=NOON, changed_s=NOON, not_before_s=NOON,
                push_lists=number,
            )
        )  # fmt: skip
    return rows


@BOTH
def test_pushed_hours_of_a_channel_fill_the_gaps_of_its_meter(colony):
    street = Street(colony)
    gas = street.sub_meter()
    read = learnt(colony, street, "0-1:24.3.0*255")
    street.push(street.apdu(ENERGY_NOW, rows=["0-1:24.3.0*255"]))
    found = street.series(gas)
    assert list(found.ends)[-len(read.ends) :] == list(read.ends)
    assert len(read.ends) == 48
    assert found.channels[0].name == Obis.parse(VALUE)
    assert (found.channels[0].scaler, found.channels[0].unit) == (-3, 13)
    assert list(street.series(street.hosts[0], "0-1:24.3.0*255").ends) == []
    # What is pulled adds nothing: it is there, under the same channels.
    with colony.engine.transaction() as connection:
        archive = Archive(colony.engine, colony.tenant)
        own = type(read)(
            read.device, Obis.parse(HOURS), read.ends,
            [each._replace(name=Obis.parse(str(each.name).replace("0-1:", "0-0:"))) for each in
             read.channels],
            read.columns, stamps=read.stamps, status=read.status, quality=read.quality,
        )  # fmt: skip
        blocks = pack_series(HOURS, own, int(NOON) - DAY, int(NOON))
        assert archive.put(connection, gas, Brought(blocks=blocks), now=NOON).intervals == 0


def test_rows_from_before_the_exchange_are_not_those_of_the_new_device(colony):
    street = Street(colony)
    gas = street.sub_meter()
    before = street.sub_meter(state="retired", external_id="before")
    since_s = int(NOON) - 10 * 3600
    with colony.engine.transaction() as connection:
        connection.execute(
            insert(LIFE).values(
                tenant=colony.tenant, meter=before, before="active", after="retired", at_s=since_s,
                reason="", by="",
            )
        )  # fmt: skip
    street.push(street.apdu(ENERGY_NOW, *of_channel(1), rows=["0-1:24.3.0*255"]))
    ends = list(street.series(gas, f"{HOURS} (push)").ends)
    assert len(ends) == 10
    assert min(ends) > since_s
    assert street.series(before, f"{HOURS} (push)").ends.tolist() == []
    assert VALUE in street.values(gas)


def test_the_log_of_a_valve_is_that_of_its_meter(colony):
    street = Street(colony)
    gas = street.sub_meter()
    meter = street.fleet[0]
    valve = meter.objects[70, bytes(Obis.parse("0-1:24.4.0*255"))]
    meter.act(valve, 1, b"\x0f\x00", RequestContext(1, now=int(NOON)))
    street.push(street.apdu(ENERGY_NOW, rows=["0-1:24.5.0*255"]))
    (event,) = street.events(gas)
    assert (str(event.log), event.code) == (LOG, 162)
    assert street.events(street.hosts[0]) == []
