"""A meter and its four devices: found, read, given keys, silent, let go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from meter_asking import NOW, act, get, put, rows

from ferraris.crypto.mbus_keys import wrapped_dsmr4, wrapped_smr5
from ferraris.data.kinds import double_long_unsigned, enum, integer, octet_string, unsigned
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import life
from ferraris.meter.behaviour.mbus_client import fix, run_down, silence, tamper
from ferraris.meter.behaviour.mbus_valve import MBusValve, turn_valve
from ferraris.meter.fleet import Fleet
from ferraris.meter.mbus_devices import DEVICES, Device, devices_of, manufacturer_id
from ferraris.meter.persistence import Identity, StateDirectory
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.state import Interruption
from ferraris.meter.templates import template
from ferraris.meter.zone import DAY
from ferraris.model.mbus import EncryptionKeyStatus as Key
from ferraris.model.mbus import LinkStatus

TEMPLATE = template("mbus-host")
HOUR = 3600
GAS, WATER, HEAT, ELECTRICITY = range(1, 5)
LAST_HOUR = NOW // HOUR * HOUR
USER = bytes(range(100, 116))
OK, TEMPORARY, OTHER = (
    ActionResult.SUCCESS,
    ActionResult.TEMPORARY_FAILURE,
    ActionResult.OTHER_REASON,
)


@pytest.fixture
def meter() -> SimulatedMeter:
    return Fleet(TEMPLATE, 3, seed=7)[1]


def client(number: int) -> str:
    return f"0-{number}:24.1.0*255"


def value(meter: SimulatedMeter, number: int, attribute: int = 2, **more: Any) -> Any:
    return get(meter, f"0-{number}:24.2.1*255", 4, attribute, **more)


def asked(meter: SimulatedMeter, number: int, attribute: int, **more: Any) -> Any:
    return get(meter, client(number), 72, attribute, **more)


def do(meter: SimulatedMeter, number: int, method: int, data: Any = None, **more: Any) -> Any:
    return act(meter, client(number), 72, method, data, **more)


def device(meter: SimulatedMeter, number: int) -> Device:
    return devices_of(meter)[number - 1]


def codes(meter: SimulatedMeter, log: str = "0-0:99.98.3*255", **more: Any) -> list[int]:
    return [row[1] for row in rows(meter, log, **more)]


def at(meter: SimulatedMeter, utc: int) -> bytes:
    return meter.zone.stamp(utc)


@pytest.mark.parametrize("number", range(1, 5))
def test_devices_are_there_from_the_start(meter: SimulatedMeter, number: int) -> None:
    found, kind = device(meter, number), DEVICES[number - 1]
    assert asked(meter, number, 2) == bytes(Obis.parse("0-0:24.6.0*255"))
    ((_, (data_information, value_information)),) = asked(meter, number, 3)
    assert (data_information[1], value_information[1]) == (b"\x04", kind.value_information)
    assert asked(meter, number, 4) == HOUR
    assert asked(meter, number, 5) == number
    assert f"{asked(meter, number, 6):08x}" == found.address.number
    assert asked(meter, number, 7) == manufacturer_id(kind.manufacturer)
    assert (asked(meter, number, 8), asked(meter, number, 9)) == (kind.version, kind.device_type)
    assert [asked(meter, number, each) for each in (11, 12, 13, 14)] == [0, 0, 0, Key.NO_KEY]
    assert get(meter, f"0-{number}:96.1.0*255", 1) == found.equipment


@pytest.mark.parametrize("number", range(1, 5))
def test_values_are_those_of_the_last_hour(meter: SimulatedMeter, number: int) -> None:
    kind = DEVICES[number - 1]
    assert value(meter, number) == device(meter, number).use.total(LAST_HOUR) > 0
    assert [part for _, part in value(meter, number, 3)] == [kind.scaler, kind.unit]
    assert value(meter, number, 4) == 0
    assert value(meter, number, 5) == at(meter, LAST_HOUR)
    assert value(meter, number, now=NOW + HOUR) == device(meter, number).use.total(LAST_HOUR + HOUR)


def test_every_meter_has_devices_of_its_own(meter: SimulatedMeter) -> None:
    others = Fleet(TEMPLATE, 3, seed=7)
    numbers = {each.address.number for other in others for each in devices_of(other)}
    assert len(numbers) == 12


def test_hours_and_days_are_kept(meter: SimulatedMeter) -> None:
    use = device(meter, GAS).use
    hours = rows(meter, "0-1:24.3.0*255")
    assert len(hours) == 240
    for place, row in enumerate(reversed(hours)):
        instant = LAST_HOUR - place * HOUR
        assert row == (at(meter, instant), 0, use.total(instant), at(meter, instant))
    days = rows(meter, "0-1:24.3.1*255")
    assert len(days) == 40
    midnights = [meter.zone.instant(row[0]) for row in days]
    assert [row[2] for row in days] == [use.total(each) for each in midnights if each]
    assert all(row[1] == 0 for row in days)


def test_a_capture_on_demand(meter: SimulatedMeter) -> None:
    assert do(meter, WATER, 3) == OK
    assert value(meter, WATER) == device(meter, WATER).use.total(NOW)
    assert value(meter, WATER, 5) == at(meter, NOW)
    assert value(meter, WATER, 5, now=NOW + HOUR) == at(meter, LAST_HOUR + HOUR)


def test_the_capture_period(meter: SimulatedMeter) -> None:
    name = client(GAS)
    assert put(meter, name, 72, 4, double_long_unsigned(900)) == DataAccessResult.SUCCESS
    quarter = (NOW + HOUR) // 900 * 900
    assert value(meter, GAS, 5, now=NOW + HOUR) == at(meter, quarter)
    assert put(meter, name, 72, 4, double_long_unsigned(0), now=NOW + HOUR) == 0
    assert value(meter, GAS, 5, now=NOW + 3 * HOUR) == value(meter, GAS, 5, now=NOW + 5 * HOUR)
    for period in (59, 7000, 2 * DAY):
        refused = put(meter, name, 72, 4, double_long_unsigned(period))
        assert refused == DataAccessResult.OTHER_REASON
    assert put(meter, name, 72, 4, unsigned(60)) == DataAccessResult.TYPE_UNMATCHED
    assert put(meter, name, 72, 3, unsigned(9)) == DataAccessResult.READ_WRITE_DENIED


# -- installation -----------------------------------------------------------------------------


def test_a_device_is_let_go_and_found_again(meter: SimulatedMeter) -> None:
    found = device(meter, WATER)
    assert do(meter, WATER, 2) == OK
    assert [asked(meter, WATER, each) for each in range(5, 15)] == [0] * 10
    assert asked(meter, WATER, 3) == []
    assert (value(meter, WATER), value(meter, WATER, 4)) == (0, 4)
    assert [part for _, part in value(meter, WATER, 3)] == [0, 255]
    assert get(meter, "0-2:96.1.0*255", 1) == b""
    assert do(meter, WATER, 2) == do(meter, WATER, 3) == OTHER
    later = NOW + HOUR
    assert do(meter, WATER, 1, unsigned(0), now=later) == OK
    assert asked(meter, WATER, 5, now=later) == WATER
    assert f"{asked(meter, WATER, 6, now=later):08x}" == found.address.number
    assert value(meter, WATER, now=later) == 0
    assert value(meter, WATER, now=later + HOUR) == found.use.total(LAST_HOUR + 2 * HOUR)
    assert codes(meter, now=later) == [115]
    status = [row[1] for row in rows(meter, "0-2:24.3.0*255", now=later + HOUR)][-4:]
    assert status == [0, 0, 4, 0]


def test_installation_by_address_and_into_another_channel(meter: SimulatedMeter) -> None:
    assert do(meter, GAS, 1, unsigned(0)) == OTHER
    assert do(meter, GAS, 2) == OK
    assert do(meter, ELECTRICITY, 2, integer(0)) == OK
    assert do(meter, ELECTRICITY, 1, unsigned(HEAT)) == OTHER
    assert do(meter, ELECTRICITY, 1, unsigned(251)) == OTHER
    assert do(meter, ELECTRICITY, 1, unsigned(77)) == OK
    assert (asked(meter, ELECTRICITY, 5), asked(meter, ELECTRICITY, 9)) == (77, 3)
    assert do(meter, GAS, 1, integer(0)) == OK
    assert (asked(meter, GAS, 5), asked(meter, GAS, 9)) == (1, 2)
    assert value(meter, ELECTRICITY, now=NOW + HOUR) == device(meter, GAS).use.total(
        LAST_HOUR + HOUR
    )


def test_a_free_channel_is_told_whom_to_install(meter: SimulatedMeter) -> None:
    name, wanted = client(GAS), int(device(meter, HEAT).address.number, 16)
    number = double_long_unsigned(wanted)
    assert put(meter, name, 72, 6, number) == DataAccessResult.OTHER_REASON  # somebody is there
    assert asked(meter, GAS, 6) != wanted
    assert do(meter, GAS, 2) == do(meter, HEAT, 2) == OK
    assert put(meter, name, 72, 6, unsigned(1)) == DataAccessResult.TYPE_UNMATCHED
    assert asked(meter, GAS, 6) == 0
    assert put(meter, name, 72, 6, number) == put(meter, name, 72, 5, unsigned(9)) == 0
    assert put(meter, name, 72, 8, unsigned(0xEE)) == DataAccessResult.SUCCESS
    assert do(meter, GAS, 1, unsigned(0)) == TEMPORARY  # nobody has this version
    assert put(meter, name, 72, 8, unsigned(0)) == DataAccessResult.SUCCESS
    assert do(meter, GAS, 1, unsigned(0)) == OK
    assert [asked(meter, GAS, each) for each in (5, 6, 9)] == [9, wanted, 4]


def test_nobody_to_install(meter: SimulatedMeter) -> None:
    silence(meter, HEAT - 1, NOW)
    assert do(meter, HEAT, 2) == OK
    assert do(meter, HEAT, 1, unsigned(0)) == TEMPORARY
    fix(meter, HEAT - 1, NOW + 60)
    assert do(meter, HEAT, 1, unsigned(0), now=NOW + 60) == OK


# -- keys ---------------------------------------------------------------------------------------


def _wrapped(meter: SimulatedMeter, form: str, key: bytes = USER, counter: int = 1) -> Any:
    own = meter.fleet.device_key(meter.index, GAS - 1)
    if form == "dsmr 4":
        return octet_string(wrapped_dsmr4(own, key))
    return octet_string(wrapped_smr5(own, key, device(meter, GAS).address, counter))


@pytest.mark.parametrize("form", ["dsmr 4", "smr 5"])
def test_a_key_is_set_transferred_and_used(meter: SimulatedMeter, form: str) -> None:
    assert do(meter, GAS, 7, octet_string(USER)) == OK
    assert asked(meter, GAS, 14) == Key.KEY_SET
    assert asked(meter, GAS, 13) == 0
    assert do(meter, GAS, 8, _wrapped(meter, form)) == OK
    assert asked(meter, GAS, 14) == Key.KEY_SET_AND_TRANSFERRED
    assert asked(meter, GAS, 13) == 0x0500
    assert asked(meter, GAS, 14, now=NOW + HOUR) == Key.KEY_IN_USE
    assert value(meter, GAS, now=NOW + HOUR) == device(meter, GAS).use.total(LAST_HOUR + HOUR)
    assert codes(meter, now=NOW + HOUR) == []


def test_a_key_that_only_the_device_has_keeps_the_host_out(meter: SimulatedMeter) -> None:
    assert do(meter, GAS, 8, _wrapped(meter, "dsmr 4")) == OK
    assert asked(meter, GAS, 14) == Key.KEY_TRANSFERRED
    assert do(meter, GAS, 3) == TEMPORARY
    later = NOW + 2 * HOUR
    assert value(meter, GAS, 5, now=later) == at(meter, LAST_HOUR)
    assert value(meter, GAS, 4, now=later) == 4
    assert codes(meter, now=later) == [100]
    assert do(meter, GAS, 7, octet_string(bytes(16)), now=later) == OK
    assert do(meter, GAS, 3, now=later) == TEMPORARY
    assert do(meter, GAS, 7, octet_string(USER), now=later) == OK
    assert value(meter, GAS, now=later + HOUR) == device(meter, GAS).use.total(LAST_HOUR + 3 * HOUR)
    assert codes(meter, now=later + HOUR) == [100, 101]


def test_a_key_stays_in_the_device_when_it_is_let_go(meter: SimulatedMeter) -> None:
    do(meter, GAS, 7, octet_string(USER))
    do(meter, GAS, 8, _wrapped(meter, "smr 5"))
    do(meter, GAS, 2)
    do(meter, GAS, 1, unsigned(0))
    assert asked(meter, GAS, 14) == Key.KEY_TRANSFERRED
    assert do(meter, GAS, 3) == TEMPORARY
    do(meter, GAS, 7, octet_string(USER))
    assert do(meter, GAS, 3) == OK


def test_keys_that_are_refused(meter: SimulatedMeter) -> None:
    assert do(meter, GAS, 7, octet_string(b"short")) == OTHER
    assert do(meter, GAS, 8, octet_string(b"short")) == OTHER
    good = _wrapped(meter, "smr 5", counter=5)
    bad = octet_string(good[1][:-1] + bytes((good[1][-1] ^ 1,)))
    assert do(meter, GAS, 8, bad) == OTHER
    assert do(meter, GAS, 8, good) == OK
    assert do(meter, GAS, 8, good) == OTHER
    assert do(meter, GAS, 8, _wrapped(meter, "smr 5", counter=4)) == OTHER
    assert do(meter, GAS, 8, _wrapped(meter, "smr 5", counter=6)) == OK
    silence(meter, GAS - 1, NOW)
    assert do(meter, GAS, 8, _wrapped(meter, "smr 5", counter=7)) == TEMPORARY


def test_the_file_of_keys_has_those_of_the_devices(meter: SimulatedMeter) -> None:
    line = meter.fleet.line(1, "tcp://there")
    assert line["mbus_keys"] == [meter.fleet.device_key(1, place).hex() for place in range(4)]
    assert len(set(line["mbus_keys"])) == 4


# -- faults -------------------------------------------------------------------------------------


def test_a_silent_device(meter: SimulatedMeter) -> None:
    silence(meter, GAS - 1, NOW)
    assert get(meter, "0-1:24.9.0*255", 77, 4) == LinkStatus.TEMPORARILY_INTERRUPTED
    assert do(meter, GAS, 3) == TEMPORARY
    assert codes(meter) == []
    later = NOW + 3 * HOUR
    assert value(meter, GAS, 5, now=later) == at(meter, LAST_HOUR)
    assert codes(meter, now=later) == [100]
    alarms = get(meter, "0-0:97.98.0*255", 1, now=later)
    assert alarms & 1 << 16
    fix(meter, GAS - 1, later)
    after = later + HOUR
    assert value(meter, GAS, now=after) == device(meter, GAS).use.total(LAST_HOUR + 4 * HOUR)
    assert codes(meter, now=after) == [100, 101]
    found = rows(meter, "0-1:24.3.0*255", now=after)[-5:]
    assert [row[1] for row in found] == [0, 4, 4, 4, 0]
    assert [row[3] for row in found[:4]] == [at(meter, LAST_HOUR)] * 4
    assert value(meter, WATER, 5, now=after) == at(meter, LAST_HOUR + 4 * HOUR)


def test_a_device_that_never_comes_back(meter: SimulatedMeter) -> None:
    silence(meter, WATER - 1, NOW)
    name = "0-2:24.9.0*255"
    assert get(meter, name, 77, 4, now=NOW + 2 * DAY) == LinkStatus.PERMANENTLY_INTERRUPTED
    assert get(meter, name, 77, 2, now=NOW + 2 * DAY) == 0
    assert codes(meter, now=NOW + 2 * DAY) == [110]
    assert do(meter, WATER, 2, now=NOW + 2 * DAY) == OK
    assert get(meter, name, 77, 4, now=NOW + 2 * DAY) == LinkStatus.NONE


def test_battery_and_case(meter: SimulatedMeter) -> None:
    run_down(meter, HEAT - 1, NOW)
    tamper(meter, GAS - 1, NOW)
    later = NOW + HOUR
    assert asked(meter, HEAT, 11, now=later) == asked(meter, HEAT, 12, now=later) == 0x04
    assert asked(meter, GAS, 11, now=later) == 0x20
    assert sorted(codes(meter, now=later)) == [103, 122]
    assert get(meter, "0-0:97.98.0*255", 1, now=later) & 1 << 20
    fix(meter, HEAT - 1, later)
    assert (asked(meter, HEAT, 11, now=later), asked(meter, HEAT, 12, now=later)) == (0, 4)
    assert do(meter, HEAT, 4, now=later) == OK
    assert asked(meter, HEAT, 12, now=later) == 0
    assert codes(meter, now=later + 3 * HOUR).count(122) == 1


def test_the_host_without_power_reads_nobody(meter: SimulatedMeter) -> None:
    life.switch_off(meter, NOW)
    life.switch_on(meter, NOW + 2 * HOUR)
    assert value(meter, GAS, 5, now=NOW + 2 * HOUR) == at(meter, LAST_HOUR)
    assert value(meter, GAS, now=NOW + 3 * HOUR) == device(meter, GAS).use.total(
        LAST_HOUR + 3 * HOUR
    )


def test_frames_are_counted(meter: SimulatedMeter) -> None:
    name = "0-1:24.9.0*255"
    sent, heard = (get(meter, name, 77, each) for each in (6, 7))
    assert sent == heard > 5000
    assert act(meter, name, 77, 1) == OK
    silence(meter, GAS - 1, NOW)
    later = NOW + 5 * HOUR
    fix(meter, GAS - 1, later)
    counts = [get(meter, name, 77, each, now=later + 2 * HOUR) for each in (6, 7, 8)]
    assert counts == [7, 2, 0]
    assert get(meter, name, 77, 2) > 0


def test_clock_and_what_no_device_takes(meter: SimulatedMeter) -> None:
    assert do(meter, HEAT, 5) == OK
    assert codes(meter) == [124]
    assert do(meter, HEAT, 6, (1, [])) == ActionResult.READ_WRITE_DENIED
    assert act(meter, "0-1:24.2.1*255", 4, 1) == ActionResult.READ_WRITE_DENIED
    assert do(meter, GAS, 3, client=2) == ActionResult.READ_WRITE_DENIED


# -- valve --------------------------------------------------------------------------------------

VALVE = "0-1:24.4.0*255"


def test_a_closed_valve_lets_nothing_through(meter: SimulatedMeter) -> None:
    use = device(meter, GAS).use
    assert (get(meter, VALVE, 70, 2), get(meter, VALVE, 70, 3)) == (True, 1)
    assert act(meter, VALVE, 70, 1) == OK
    assert (get(meter, VALVE, 70, 2), get(meter, VALVE, 70, 3)) == (False, 0)
    assert act(meter, VALVE, 70, 1) == OK
    later = NOW + 5 * DAY
    assert value(meter, GAS, now=later) == use.total(NOW)
    assert act(meter, VALVE, 70, 2, now=later) == OK
    held_back = use.total(later) - use.total(NOW)
    hour = (later + DAY) // HOUR * HOUR
    assert value(meter, GAS, now=later + DAY) == use.total(hour) - held_back
    assert codes(meter, "0-1:24.5.0*255", now=later) == [162, 163]
    assert get(meter, "0-1:96.11.4*255", 1, now=later) == 163
    assert codes(meter, "0-0:99.98.2*255", now=later) == []


def test_a_valve_that_closed_ten_thousand_times_stays_open(meter: SimulatedMeter) -> None:
    get(meter, VALVE, 70, 2)
    memory = device(meter, GAS).change(meter)
    memory.interruptions = (Interruption(NOW, NOW),) * 10_000
    assert act(meter, VALVE, 70, 1) == ActionResult.HARDWARE_FAULT
    assert act(meter, VALVE, 70, 2) == OK
    assert (get(meter, VALVE, 70, 2), get(meter, VALVE, 70, 3)) == (True, 1)
    assert len(device(meter, GAS).memory(meter).interruptions) == 10_000


def test_a_valve_by_hand_and_modes(meter: SimulatedMeter) -> None:
    valve = TEMPLATE.behaviours[70, bytes(Obis.parse(VALVE))]
    assert isinstance(valve, MBusValve)
    assert put(meter, VALVE, 70, 4, enum(1)) == DataAccessResult.SUCCESS
    for mode in (0, 7):
        assert put(meter, VALVE, 70, 4, enum(mode)) == DataAccessResult.OTHER_REASON
    assert act(meter, VALVE, 70, 1) == OK
    assert act(meter, VALVE, 70, 2) == OK
    assert get(meter, VALVE, 70, 3) == 2
    assert turn_valve(meter, valve, NOW + 60, is_open=True)
    assert get(meter, VALVE, 70, 3, now=NOW + 60) == 1
    assert turn_valve(meter, valve, NOW + 70, is_open=False)
    assert codes(meter, "0-1:24.5.0*255", now=NOW + 70) == [162, 163, 161, 160]


def test_valves_that_are_not_there_or_not_heard(meter: SimulatedMeter) -> None:
    water = "0-2:24.4.0*255"
    assert get(meter, water, 70, 3) == DataAccessResult.OBJECT_UNAVAILABLE
    assert act(meter, water, 70, 1) == ActionResult.OBJECT_UNAVAILABLE
    silence(meter, GAS - 1, NOW)
    assert act(meter, VALVE, 70, 1) == TEMPORARY
    assert get(meter, VALVE, 70, 3) == 1


def test_the_rest_of_the_meter_is_that_of_a_household(meter: SimulatedMeter) -> None:
    assert get(meter, "1-0:1.8.0*255", 3) == meter.total(0, NOW)
    assert get(meter, "0-0:24.6.0*255", 74) == 3


def test_devices_and_keys_outlive_a_restart(tmp_path: Path) -> None:
    identity = Identity("mbus-host", 0, 5)
    for turn in range(2):
        with StateDirectory.open(tmp_path, identity) as memory:
            host = Fleet(TEMPLATE, 1, 5, secret=memory.secret, memory=memory)[0]
            if not turn:
                do(host, GAS, 7, octet_string(USER))
                do(host, GAS, 8, _wrapped(host, "smr 5", counter=9))
                act(host, VALVE, 70, 1)
                do(host, WATER, 2)
                silence(host, HEAT - 1, NOW)
                shown = [value(host, number, now=NOW + DAY) for number in range(1, 5)]
            else:
                assert [value(host, number, now=NOW + DAY) for number in range(1, 5)] == shown
                assert get(host, VALVE, 70, 3, now=NOW + DAY) == 0
                assert asked(host, GAS, 14, now=NOW + DAY) == Key.KEY_IN_USE
                assert asked(host, WATER, 9, now=NOW + DAY) == 0
                again = _wrapped(host, "smr 5", counter=9)
                assert do(host, GAS, 8, again, now=NOW + DAY) == OTHER
