"""M-Bus devices behind meters of companion specifications: as alive as those of the host's own."""

from __future__ import annotations

from typing import Any

import pytest
from meter_asking import NOW, act, get, put, rows

from ferraris.crypto.mbus_keys import wrapped_smr5
from ferraris.data.kinds import double_long_unsigned, integer, octet_string, unsigned
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.mbus_client import fix, silence
from ferraris.meter.fleet import Fleet
from ferraris.meter.mbus_devices import devices_of
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.model.mbus import EncryptionKeyStatus, LinkStatus

HOUR = 3600
LAST_HOUR = NOW // HOUR * HOUR
LAST_FIVE = NOW // 300 * 300
USER = bytes(range(16))
CLIENT, CLIENT_2 = "0-1:24.1.0*255", "0-2:24.1.0*255"
OK = ActionResult.SUCCESS
DUTCH = ("dsmr-2.2", "dsmr-4.2.2", "smr-5.0", "smr-5.2", "smr-5.5")
HOSTS = (*DUTCH, "idis-like")


def meter_of(name: str) -> SimulatedMeter:
    return Fleet(template(name), 2, seed=7)[1]


@pytest.fixture
def meter() -> SimulatedMeter:
    return meter_of("smr-5.2")


def do(meter: SimulatedMeter, method: int, data: Any = None, **more: Any) -> Any:
    return act(meter, CLIENT, 72, method, data, **more)


def at(meter: SimulatedMeter, utc: int) -> bytes:
    return meter.zone.stamp(utc)


@pytest.mark.parametrize("name", HOSTS)
def test_the_devices_of_a_host_are_told_read_and_plated(name: str) -> None:
    meter = meter_of(name)
    for number, device in enumerate(devices_of(meter), 1):
        client = f"0-{number}:24.1.0*255"
        assert f"{get(meter, client, 72, 6):08x}" == device.address.number
        assert get(meter, client, 72, 9) == device.kind.device_type
        value = get(meter, f"0-{number}:24.2.1*255", 4)
        assert 0 < device.use.total(LAST_HOUR) <= value <= device.use.total(NOW)
        (_, scaler), (_, unit) = get(meter, f"0-{number}:24.2.1*255", 4, 3)
        assert (scaler, unit) == (device.kind.scaler, device.kind.unit)
        if name in DUTCH:
            assert get(meter, f"0-{number}:96.1.1*255", 1) == device.equipment


@pytest.mark.parametrize("name", ["dsmr-4.2.2", "smr-5.2"])
def test_hourly_rows_are_those_of_the_device(name: str) -> None:
    meter = meter_of(name)
    use = devices_of(meter)[1].use
    found = rows(meter, "0-2:24.3.0*255")
    assert len(found) == 240
    for place, row in enumerate(reversed(found)):
        instant = LAST_HOUR - place * HOUR
        assert row[:1] + row[2:] == (at(meter, instant), use.total(instant), at(meter, instant))


def test_two_readings_are_those_of_five_minutes_and_of_the_hour(meter: SimulatedMeter) -> None:
    use = devices_of(meter)[0].use
    assert get(meter, "0-1:24.2.1*255", 4, 5) == at(meter, LAST_FIVE)
    assert get(meter, "0-1:24.2.2*255", 4, 5) == at(meter, LAST_HOUR)
    assert get(meter, "0-1:24.2.1*255", 4) == use.total(LAST_FIVE)
    assert get(meter, "0-1:24.2.2*255", 4) == use.total(LAST_HOUR)
    assert do(meter, 3) == OK
    assert get(meter, "0-1:24.2.1*255", 4) == use.total(NOW)
    assert get(meter, "0-1:24.2.2*255", 4) == use.total(LAST_HOUR)


def test_a_silent_device_leaves_marks(meter: SimulatedMeter) -> None:
    silence(meter, 0, NOW)
    later = NOW + 3 * HOUR
    assert do(meter, 3, now=later) == ActionResult.TEMPORARY_FAILURE
    link = get(meter, "0-1:24.9.0*255", 77, 4, now=later)
    assert link == LinkStatus.PERMANENTLY_INTERRUPTED
    assert 100 in [row[1] for row in rows(meter, "0-0:99.98.3*255", now=later)]
    assert get(meter, "0-0:97.98.0*255", 1, now=later) & 1 << 16
    fix(meter, 0, later)
    found = rows(meter, "0-1:24.3.0*255", now=later + HOUR)[-5:]
    # It was read a last time within the hour that ended at the second of these.
    assert [bool(row[1] & 4) for row in found] == [False, False, True, True, False]
    assert get(meter, "0-1:24.2.2*255", 4, 4, now=later) == 4
    assert get(meter, "0-1:24.2.2*255", 4, 4, now=later + HOUR) == 0


def test_a_device_is_let_go_told_and_installed_again(meter: SimulatedMeter) -> None:
    number = get(meter, CLIENT_2, 72, 6)
    assert act(meter, CLIENT_2, 72, 2, integer(0)) == do(meter, 2, integer(0)) == OK
    assert get(meter, "0-1:24.2.1*255", 4) == get(meter, CLIENT, 72, 6) == 0
    wanted = put(meter, CLIENT, 72, 6, double_long_unsigned(number))
    assert wanted is DataAccessResult.SUCCESS
    assert do(meter, 1, unsigned(0)) == OK
    assert get(meter, CLIENT, 72, 6) == number
    assert [row[1] for row in rows(meter, "0-0:99.98.3*255", now=NOW + 1)] == [105]


def test_a_key_is_set_transferred_and_used(meter: SimulatedMeter) -> None:
    own = meter.fleet.device_key(meter.index, 0)
    wrapped = wrapped_smr5(own, USER, devices_of(meter)[0].address, 1)
    assert do(meter, 7, octet_string(USER)) == do(meter, 8, octet_string(wrapped)) == OK
    assert get(meter, CLIENT, 72, 14) == EncryptionKeyStatus.KEY_SET_AND_TRANSFERRED
    assert get(meter, CLIENT, 72, 14, now=NOW + 300) == EncryptionKeyStatus.KEY_IN_USE
    assert len(meter.fleet.line(1, "tcp://there")["mbus_keys"]) == 4


def test_the_valve_of_a_host_of_the_generic_kind() -> None:
    meter = meter_of("idis-like")
    assert get(meter, "0-1:24.4.0*255", 70, 3) == 1
    assert act(meter, "0-1:24.4.0*255", 70, 1, integer(0)) == OK
    assert get(meter, "0-1:24.4.0*255", 70, 2, now=NOW + 1) is False
    assert [row[1] for row in rows(meter, "0-1:24.5.0*255", now=NOW + 1)] == [162]
    assert get(meter, "0-1:96.11.4*255", 1, now=NOW + 1) == 162
    closed = get(meter, "0-1:24.2.1*255", 4, now=NOW + HOUR)
    assert get(meter, "0-1:24.2.1*255", 4, now=NOW + 30 * HOUR) == closed
    assert get(meter, "0-2:24.4.0*255", 70, 3) is DataAccessResult.OBJECT_UNAVAILABLE


def test_version_0_of_the_client_has_no_key_status() -> None:
    meter = meter_of("dsmr-2.2")
    assert get(meter, CLIENT, 72, 12) == 0
    assert get(meter, CLIENT, 72, 14) is DataAccessResult.OBJECT_UNDEFINED
    assert do(meter, 7, octet_string(USER)) == OK
