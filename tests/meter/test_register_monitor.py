from __future__ import annotations

import pytest
from meter_asking import NOW, SWITCH, get, put, rows

from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.meter.fleet import Fleet
from ferraris.meter.life import switch_off, switch_on
from ferraris.meter.simulated import SimulatedMeter

MONITOR, ENERGY = "0-0:16.0.1*255", "1-0:1.8.0*255"
SCRIPTS = Obis.parse("0-0:10.0.106*255")
OFF = structure(octet_string(SCRIPTS), long_unsigned(1))
NOTHING = structure(octet_string(bytes(6)), long_unsigned(0))


def monitor(meter: SimulatedMeter, name: str, class_id: int, *thresholds: int) -> None:
    what = structure(long_unsigned(class_id), octet_string(Obis.parse(name)), integer(2))
    assert put(meter, MONITOR, 21, 3, what) == 0
    listed = array(*(double_long_unsigned(threshold) for threshold in thresholds))
    assert put(meter, MONITOR, 21, 2, listed) == 0


def codes(meter: SimulatedMeter, now: int) -> list[int]:
    return [row[1] for row in rows(meter, "0-0:99.98.2*255", now=now)]


def test_a_threshold_of_energy_is_crossed_at_its_second(fleet: Fleet) -> None:
    meter = fleet[0]
    threshold = meter.total(0, NOW) + 250
    monitor(meter, ENERGY, 3, threshold)
    assert put(meter, MONITOR, 21, 4, array(structure(OFF, NOTHING))) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 3 * 86400) == 2
    ((start, stop),) = meter.state.interruptions
    assert stop is None
    assert meter.household.total(0, start) == threshold + 1
    assert meter.household.total(0, start - 1) == threshold
    assert codes(meter, NOW + 3 * 86400) == [70, 64]


def test_up_and_down_each_run_their_own_script(fleet: Fleet) -> None:
    meter = fleet[0]
    series = [
        4 * (meter.total(0, (n + 1) * 900) - meter.total(0, n * 900))
        for n in range(NOW // 900, NOW // 900 + 97)
    ]
    low, high = sorted(series)[20], sorted(series)[70]
    monitor(meter, "1-0:1.7.0*255", 3, low, high)
    begin = sum((low < series[0], high < series[0]))
    ends = [sum((low < power, high < power)) for power in series]
    crossings = sum(bool(a) != bool(b) for a, b in zip([begin, *ends], ends, strict=False))
    found = codes(meter, NOW // 900 * 900 + 96 * 900 + 10)
    assert len(found) == crossings > 2
    assert found == [70 if bool(begin) == bool(n % 2) else 71 for n in range(crossings)]


def test_the_first_value_only_tells_the_side(fleet: Fleet) -> None:
    meter = fleet[0]
    monitor(meter, ENERGY, 3, 1)
    assert put(meter, MONITOR, 21, 4, array(structure(OFF, OFF))) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 7200) == 1
    switch_off(meter, NOW + 7300)
    switch_on(meter, NOW + 7400)
    assert get(meter, SWITCH, 70, 3, now=NOW + 7500) == 1


def test_thresholds_of_another_kind_go_with_the_value(fleet: Fleet) -> None:
    meter = fleet[0]
    monitor(meter, ENERGY, 3, 1000, 2000)
    what = structure(long_unsigned(3), octet_string(Obis.parse("1-0:1.7.0*255")), integer(2))
    assert put(meter, MONITOR, 21, 3, what) == 0
    assert len(get(meter, MONITOR, 21, 2)) == 2
    what = structure(long_unsigned(3), octet_string(Obis.parse("1-0:32.7.0*255")), integer(2))
    assert put(meter, MONITOR, 21, 3, what) == 0
    assert get(meter, MONITOR, 21, 2) == []


def test_what_clients_write_is_monitored_too(fleet: Fleet) -> None:
    meter = fleet[0]
    monitor(meter, "0-0:97.98.10*255", 1, 1000)
    assert put(meter, MONITOR, 21, 4, array(structure(NOTHING, OFF))) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 5) == 1
    assert put(meter, "0-0:97.98.10*255", 1, 2, double_long_unsigned(5), now=NOW + 10) == 0
    assert get(meter, SWITCH, 70, 3, now=NOW + 11) == 2


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (2, array(long_unsigned(1)), 12),
        (2, array(*(double_long_unsigned(n) for n in range(9))), 250),
        (3, structure(long_unsigned(1), octet_string(bytes(6)), integer(2)), 250),
        (3, structure(long_unsigned(1), octet_string(bytes(5)), integer(2)), 12),
        (4, array(OFF), 12),
    ],
)
def test_writes_that_are_refused(fleet: Fleet, attribute: int, data: Data, result: int) -> None:
    before = [get(fleet[0], MONITOR, 21, index) for index in (2, 3, 4)]
    assert put(fleet[0], MONITOR, 21, attribute, data) == result
    assert [get(fleet[0], MONITOR, 21, index) for index in (2, 3, 4)] == before
