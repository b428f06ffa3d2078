from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import LOAD, NOW, SWITCH, act, get, put, rows, stamped

from ferraris.data.kinds import enum
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.disconnector import Disconnector
from ferraris.meter.behaviour.states import MODES, TRANSITIONS, Trigger, next_state
from ferraris.meter.fleet import Fleet
from ferraris.meter.patterns import CHANNELS, QUARTER
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.meter.zone import DAY

TEMPLATE = template("residential")


def _switch(meter: SimulatedMeter) -> Disconnector:
    behaviour = meter.fleet.template.behaviours[70, bytes(Obis.parse(SWITCH))]
    assert isinstance(behaviour, Disconnector)
    return behaviour


def test_disconnect_and_reconnect(fleet: Fleet) -> None:
    meter = fleet[0]
    assert (get(meter, SWITCH, 70, 2), get(meter, SWITCH, 70, 3)) == (True, 1)
    assert act(meter, SWITCH, 70, 1) == ActionResult.SUCCESS
    assert (get(meter, SWITCH, 70, 2), get(meter, SWITCH, 70, 3)) == (False, 0)
    assert get(meter, "1-0:1.7.0*255", 3) == get(meter, "1-0:31.7.0*255", 3) == 0
    before = get(meter, "1-0:1.8.0*255", 3)
    assert get(meter, "1-0:1.8.0*255", 3, now=NOW + 3 * DAY) == before
    assert act(meter, SWITCH, 70, 1, now=NOW + DAY) == ActionResult.SUCCESS
    assert act(meter, SWITCH, 70, 2, now=NOW + DAY) == ActionResult.SUCCESS
    assert get(meter, "1-0:1.8.0*255", 3, now=NOW + DAY) == before
    assert get(meter, "1-0:1.8.0*255", 3, now=NOW + 2 * DAY) > before
    codes = [row[1] for row in rows(meter, "0-0:99.98.2*255", now=NOW + DAY)]
    assert codes == [62, 63]
    assert (get(fleet[1], SWITCH, 70, 2), get(fleet[1], SWITCH, 70, 3)) == (True, 1)


@pytest.mark.parametrize("mode", range(7))
def test_every_mode_by_its_table(mode: int) -> None:
    for state in range(3):
        for trigger in Trigger:
            letters = [
                letter for letter in MODES[mode] if TRANSITIONS[letter][:2] == (state, trigger)
            ]
            assert len(letters) <= 1
            after = next_state(mode, state, trigger)
            assert after == (TRANSITIONS[letters[0]][2] if letters else None)


def test_a_mode_that_only_arms(fleet: Fleet) -> None:
    meter = fleet[0]
    assert put(meter, SWITCH, 70, 4, enum(1)) == DataAccessResult.SUCCESS
    assert act(meter, SWITCH, 70, 1) == ActionResult.SUCCESS
    assert act(meter, SWITCH, 70, 2) == ActionResult.SUCCESS
    assert (get(meter, SWITCH, 70, 2), get(meter, SWITCH, 70, 3)) == (False, 2)
    assert not _switch(meter).operate(meter, Trigger.LOCAL_RECONNECT, NOW)
    assert _switch(meter).operate(meter, Trigger.MANUAL_RECONNECT, NOW + 60)
    assert get(meter, SWITCH, 70, 3) == 1
    codes = [row[1] for row in rows(meter, "0-0:99.98.2*255", now=NOW + 60)]
    assert codes == [62, 59, 61]


def test_mode_0_is_always_connected(fleet: Fleet) -> None:
    meter = fleet[0]
    assert act(meter, SWITCH, 70, 1) == ActionResult.SUCCESS
    assert put(meter, SWITCH, 70, 4, enum(0), now=NOW + 5) == DataAccessResult.SUCCESS
    assert get(meter, SWITCH, 70, 3) == 1
    assert act(meter, SWITCH, 70, 1, now=NOW + 6) == ActionResult.OTHER_REASON
    assert put(meter, SWITCH, 70, 4, enum(7)) != DataAccessResult.SUCCESS


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 40),
    st.lists(st.integers(1, 2 * DAY), min_size=1, max_size=6),
)
def test_nothing_flows_while_it_is_open(index: int, pauses: list[int]) -> None:
    """Registers, rates and profile agree with a sum over the seconds of supply."""
    meter, untouched = Fleet(TEMPLATE, 41, 3)[index], Fleet(TEMPLATE, 41, 3)[index]
    now, expected = NOW, [untouched.energy(c, NOW) for c in range(CHANNELS)]
    connected = True
    for pause in pauses:
        assert act(meter, SWITCH, 70, 1 if connected else 2, now=now) == 0
        connected = not connected
        if connected:
            gains = [
                [
                    b - a
                    for a, b in zip(
                        untouched.energy(c, now), untouched.energy(c, now + pause), strict=True
                    )
                ]
                for c in range(CHANNELS)
            ]
            expected = [
                tuple(a + b for a, b in zip(old, new, strict=True))
                for old, new in zip(expected, gains, strict=True)
            ]
        now += pause
    assert [meter.energy(c, now) for c in range(CHANNELS)] == expected
    found = rows(meter, LOAD, stamped(meter, NOW - 3600, now), now=now)
    for row in found:
        instant = meter.zone.instant(row[0])
        assert instant is not None
        assert row[2:] == tuple(meter.total(c, instant) for c in range(CHANNELS))
    assert len(found) == now // QUARTER - -(-(NOW - 3600) // QUARTER) + 1
