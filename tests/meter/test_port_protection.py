from __future__ import annotations

import pytest
from meter_asking import NOW, act, get, put, rows

from ferraris.data.kinds import Data, double_long_unsigned, enum, long_unsigned, unsigned
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.fleet import Fleet
from ferraris.meter.life import switch_off, switch_on
from ferraris.meter.simulated import SimulatedMeter

PORT, LOG = "0-0:44.2.0*255", "0-0:99.98.5*255"
OPEN, FOR_A_WHILE, LOCKED = 0, 1, 2


def status(meter: SimulatedMeter, now: int) -> int:
    found = get(meter, PORT, 124, 8, now=now)
    assert isinstance(found, int)
    assert meter.refuses(2, now) == bool(found)
    return found


def configure(
    meter: SimulatedMeter, allowed: int, initial_s: int, factor: int, most_s: int
) -> None:
    assert put(meter, PORT, 124, 3, long_unsigned(allowed)) == 0
    assert put(meter, PORT, 124, 4, double_long_unsigned(initial_s)) == 0
    assert put(meter, PORT, 124, 5, unsigned(factor)) == 0
    assert put(meter, PORT, 124, 6, double_long_unsigned(most_s)) == 0


def test_each_lock_is_longer_up_to_the_longest(fleet: Fleet) -> None:
    meter = fleet[0]
    configure(meter, 2, 10, 3, 200)
    now = NOW
    for _ in range(2):
        meter.incident(Incident.WRONG_PASSWORD, 2, now)
        assert status(meter, now) == OPEN
    for pause_s in (10, 30, 90, 200, 200):
        meter.incident(Incident.WRONG_PASSWORD, 2, now)
        assert status(meter, now) == FOR_A_WHILE
        assert status(meter, now + pause_s - 1) == FOR_A_WHILE
        now += pause_s
        assert status(meter, now) == OPEN
    assert get(meter, PORT, 124, 9, now=now) == get(meter, PORT, 124, 10, now=now) == 7
    assert [row[1] for row in rows(meter, LOG, now=now)] == [230, 231] * 5


def test_who_gets_in_ends_the_count(fleet: Fleet) -> None:
    meter = fleet[0]
    configure(meter, 1, 10, 2, 100)
    for second in range(0, 100, 20):
        meter.incident(Incident.AUTHENTICATION_FAILED, 2, NOW + second)
        meter.admitted(2, NOW + second + 1)
        assert status(meter, NOW + second + 2) == OPEN
    assert get(meter, PORT, 124, 9, now=NOW + 200) == 0
    assert get(meter, PORT, 124, 10, now=NOW + 200) == 5


def test_reset_unlocks(fleet: Fleet) -> None:
    meter = fleet[0]
    configure(meter, 0, 1000, 2, 5000)
    meter.incident(Incident.DECIPHERING_FAILED, 1, NOW)
    assert status(meter, NOW + 1) == FOR_A_WHILE
    assert act(meter, PORT, 124, 1, now=NOW + 2) == ActionResult.SUCCESS
    assert status(meter, NOW + 2) == OPEN
    assert [row[1] for row in rows(meter, LOG, now=NOW + 3)] == [230, 231]


def test_modes(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, PORT, 124, 2, enum(0)) == 0
    assert status(meter, NOW) == LOCKED
    assert put(meter, PORT, 124, 2, enum(2), now=NOW + 1) == 0
    for second in range(50):
        meter.incident(Incident.WRONG_PASSWORD, 2, NOW + second)
    assert status(meter, NOW + 50) == OPEN


def test_a_lock_goes_on_without_power(fleet: Fleet) -> None:
    meter = fleet[0]
    configure(meter, 0, 100, 1, 5000)
    meter.incident(Incident.WRONG_PASSWORD, 2, NOW)
    switch_off(meter, NOW + 10)
    switch_on(meter, NOW + 50)
    assert status(meter, NOW + 60) == FOR_A_WHILE
    switch_off(meter, NOW + 70)
    switch_on(meter, NOW + 150)
    assert status(meter, NOW + 160) == OPEN
    assert [row[1] for row in rows(meter, LOG, now=NOW + 160)] == [230, 231]


def test_replayed_octets_of_somebody_else_lock_nobody_out(fleet: Fleet) -> None:
    configure(fleet[0], 0, 100, 1, 5000)
    fleet[0].incident(Incident.REPLAY, 1, NOW)
    assert status(fleet[0], NOW + 1) == OPEN


@pytest.mark.parametrize(
    ("attribute", "data", "result"),
    [
        (2, enum(3), DataAccessResult.OTHER_REASON),
        (2, unsigned(1), DataAccessResult.TYPE_UNMATCHED),
        (5, unsigned(0), DataAccessResult.OTHER_REASON),
        (7, enum(1), DataAccessResult.READ_WRITE_DENIED),
        (8, enum(0), DataAccessResult.READ_WRITE_DENIED),
    ],
)
def test_writes_that_are_refused(
    fleet: Fleet, attribute: int, data: Data, result: DataAccessResult
) -> None:
    before = [get(fleet[0], PORT, 124, index) for index in range(2, 11)]
    assert put(fleet[0], PORT, 124, attribute, data) == result
    assert [get(fleet[0], PORT, 124, index) for index in range(2, 11)] == before
