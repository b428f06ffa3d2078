from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import LOAD, NOW, SWITCH, act, get, put, rows, stamped

from ferraris.data.kinds import array, enum, integer, long_unsigned, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.disconnector import (
    Disconnector,
    DisconnectorV1,
    jam,
    operate,
    push_button,
)
from ferraris.meter.behaviour.registers import Instantaneous
from ferraris.meter.behaviour.scripts import Scripts
from ferraris.meter.behaviour.states import MODES, TRANSITIONS, Trigger, next_state
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import CONTROL_LOG
from ferraris.meter.life import switch_off, switch_on
from ferraris.meter.patterns import CHANNELS, QUARTER
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.state import Interruption, State
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates import template
from ferraris.meter.zone import DAY
from ferraris.model.time_control import Script, ScriptAction, ServiceId
from ferraris.server.device import ActionRefused, AssociationSettings

TEMPLATE = template("residential")
SCRIPTS = "0-0:10.0.106*255"


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


# What each mode lets a trigger do, written out apart from the letters: (state, trigger) -> state.
_OFF, _ON, _READY = 0, 1, 2
_ALWAYS = {
    (_ON, Trigger.REMOTE_DISCONNECT): _OFF,
    (_READY, Trigger.REMOTE_DISCONNECT): _OFF,
    (_ON, Trigger.LOCAL_DISCONNECT): _READY,
    (_READY, Trigger.MANUAL_RECONNECT): _ON,
}
_BY_HAND = {(_ON, Trigger.MANUAL_DISCONNECT): _READY}
_CLOSES = {(_OFF, Trigger.REMOTE_RECONNECT): _ON}
_ARMS = {(_OFF, Trigger.REMOTE_RECONNECT): _READY}
_BY_ITSELF = {(_READY, Trigger.LOCAL_RECONNECT): _ON}
_CLOSES_READY = {(_READY, Trigger.REMOTE_RECONNECT): _ON}
EXPECTED: list[dict[tuple[int, Trigger], int]] = [
    {},
    _ALWAYS | _BY_HAND | _ARMS,
    _ALWAYS | _BY_HAND | _CLOSES,
    _ALWAYS | _ARMS,
    _ALWAYS | _CLOSES,
    _ALWAYS | _BY_HAND | _ARMS | _BY_ITSELF,
    _ALWAYS | _ARMS | _BY_ITSELF,
    _ALWAYS | _CLOSES | _CLOSES_READY | _BY_ITSELF,
]


def _fleet_with_both() -> Fleet:
    everybody = frozenset((1,))
    methods = {1: everybody, 2: everybody}
    placed = [
        Placed(switch, everybody, {4: everybody}, methods)
        for switch in (Disconnector("0-0:96.3.12*255"), DisconnectorV1(SWITCH, 7))
    ]
    rights = rights_of(1, placed)
    associations = [AssociationSettings(1, bytes(6), conformance=0xFFFFFF, rights=rights)]
    return Fleet(Template("switch", TEMPLATE.consumption, placed, associations), 1)


@pytest.mark.parametrize("mode", range(8))
def test_every_transition_of_every_mode_and_no_other(mode: int) -> None:
    """A real switch in each state, moved by each trigger, goes where its mode says, or stays."""
    meter = _fleet_with_both()[0]
    switch = _switch(meter)
    reached = {}
    for state in range(3):
        for trigger in Trigger:
            meter.state = State(connection=state)
            if state != _ON:
                meter.state.open_supply(NOW)
            written = bytes((22, mode))
            meter.state.write(switch.key, 4, written)
            moved = switch.operate(meter, trigger, NOW + 1)
            assert moved == (meter.connection != state)
            if moved:
                reached[state, trigger] = meter.connection
                assert meter.state.interruptions[-1].stop is None or meter.connection == _ON
                assert [each.log for each in meter.state.noted(CONTROL_LOG)] == [CONTROL_LOG]
            assert switch.value(meter, 2, NOW + 1)[1] == (meter.connection == _ON)
    assert reached == EXPECTED[mode]
    assert next_state(mode, 3, Trigger.REMOTE_RECONNECT) is None


def _reach(meter: SimulatedMeter, mode: int, state: int) -> None:
    """Bring the switch into a state of a mode as clients and people do."""
    assert put(meter, SWITCH, 70, 4, enum(1)) == DataAccessResult.SUCCESS
    if state != _ON:
        assert act(meter, SWITCH, 70, 1) == ActionResult.SUCCESS
    if state == _READY:
        assert act(meter, SWITCH, 70, 2) == ActionResult.SUCCESS
    assert put(meter, SWITCH, 70, 4, enum(mode)) == DataAccessResult.SUCCESS


def _pull(meter: SimulatedMeter, trigger: Trigger) -> None:
    """A client's methods, the button, and scripts of the meter, which clients may run."""
    if trigger in (Trigger.REMOTE_DISCONNECT, Trigger.REMOTE_RECONNECT):
        act(meter, SWITCH, 70, 1 + (trigger is Trigger.REMOTE_RECONNECT), now=NOW + 1)
    elif trigger in (Trigger.LOCAL_DISCONNECT, Trigger.LOCAL_RECONNECT):
        number = 1 + (trigger is Trigger.LOCAL_RECONNECT)
        act(meter, SCRIPTS, 9, 1, long_unsigned(number), now=NOW + 1)
    else:
        push_button(meter, NOW + 1)


@pytest.mark.parametrize("mode", range(8))
def test_every_transition_over_the_line_and_no_other(mode: int) -> None:
    """Requests of a client, and the button; both attributes and the current tell where it is."""
    for state in range(3):
        for trigger in Trigger:
            # One button both opens and closes, each where the switch can be opened or closed.
            opens = trigger is Trigger.MANUAL_DISCONNECT
            if trigger in (Trigger.MANUAL_DISCONNECT, Trigger.MANUAL_RECONNECT) and (
                opens != (state == _ON)
            ):
                continue
            meter = _whole()
            _reach(meter, mode, state)
            before = _ON if mode == 0 else state
            _pull(meter, trigger)
            after = EXPECTED[mode].get((before, trigger), before)
            assert get(meter, SWITCH, 70, 3, now=NOW + 1) == after, (state, trigger)
            assert get(meter, SWITCH, 70, 2, now=NOW + 1) is (after == _ON)
            power = get(meter, "1-0:1.7.0*255", 3, now=NOW + 2)
            assert bool(power) is (after == _ON)


def _whole() -> SimulatedMeter:
    """A meter with a switch of version 1, its scripts, and somebody who uses power."""
    one = frozenset((1,))
    execute = ServiceId.EXECUTE
    scripts = [
        Script(number, [ScriptAction(execute, 70, Obis.parse(SWITCH), number, integer(0))])
        for number in (1, 2)
    ]
    placed = [
        Placed(DisconnectorV1(SWITCH, 1), one, {4: one}, {1: one, 2: one}),
        Placed(Scripts(SCRIPTS, scripts), one, {}, {1: one}),
        Placed(Instantaneous("1-0:1.7.0*255"), one),
    ]
    settings = AssociationSettings(1, bytes(6), conformance=0xFFFFFF, rights=rights_of(1, placed))
    return Fleet(Template("switch", TEMPLATE.consumption, placed, [settings]), 1, seed=7)[0]


def test_every_letter_is_used_and_leads_somewhere_else() -> None:
    assert set("".join(MODES)) == set(TRANSITIONS)
    assert all(before != after for before, _, after in TRANSITIONS.values())


def test_what_a_method_answers_that_moves_nothing() -> None:
    meter = _fleet_with_both()[0]
    answers = {
        (mode, state, method): _answer(meter, mode, state, method)
        for mode in range(8)
        for state in range(3)
        for method in (1, 2)
    }
    moved = {
        (mode, state, method)
        for mode, state, method in answers
        if (state, (Trigger.REMOTE_DISCONNECT, Trigger.REMOTE_RECONNECT)[method - 1])
        in EXPECTED[mode]
    }
    there = {(mode, 0, 1) for mode in range(1, 8)} | {(mode, 1, 2) for mode in range(1, 8)}
    armed = {(mode, 2, 2) for mode in range(1, 7)}
    for asked, answer in answers.items():
        fits = asked in moved | there | armed
        assert answer == (ActionResult.SUCCESS if fits else ActionResult.OTHER_REASON), asked


def _answer(meter: SimulatedMeter, mode: int, state: int, method: int) -> ActionResult:
    meter.state = State(connection=state)
    meter.state.write(_switch(meter).key, 4, bytes((22, mode)))
    if state != _ON:
        meter.state.open_supply(NOW - 1)
    return act(meter, SWITCH, 70, method)


def test_only_version_1_has_mode_7(fleet: Fleet) -> None:
    meter = _fleet_with_both()[0]
    assert get(meter, SWITCH, 70, 4) == 7
    assert put(meter, SWITCH, 70, 4, enum(8)) == DataAccessResult.OTHER_REASON
    assert put(meter, "0-0:96.3.12*255", 70, 4, enum(7)) == DataAccessResult.OTHER_REASON
    assert put(fleet[0], SWITCH, 70, 4, enum(7)) == DataAccessResult.OTHER_REASON
    assert put(fleet[0], SWITCH, 70, 3, enum(0)) == DataAccessResult.READ_WRITE_DENIED


def test_scripts_move_it_locally(fleet: Fleet) -> None:
    """Mode 4 lets a local disconnection arm the switch, and nothing but a hand close it."""
    meter = fleet[0]
    assert act(meter, SCRIPTS, 9, 1, long_unsigned(1)) == ActionResult.SUCCESS
    assert get(meter, SWITCH, 70, 3) == _READY
    assert act(meter, SCRIPTS, 9, 1, long_unsigned(1)) == ActionResult.SUCCESS
    assert act(meter, SCRIPTS, 9, 1, long_unsigned(2)) == ActionResult.OTHER_REASON
    assert push_button(meter, NOW + 5)
    assert get(meter, SWITCH, 70, 3, now=NOW + 5) == _ON
    assert put(meter, SWITCH, 70, 4, enum(5), now=NOW + 6) == DataAccessResult.SUCCESS
    assert act(meter, SCRIPTS, 9, 1, long_unsigned(1), now=NOW + 7) == ActionResult.SUCCESS
    assert act(meter, SCRIPTS, 9, 1, long_unsigned(2), now=NOW + 8) == ActionResult.SUCCESS
    assert get(meter, SWITCH, 70, 3, now=NOW + 8) == _ON
    codes = [row[1] for row in rows(meter, "0-0:99.98.2*255", now=NOW + 8)]
    assert codes == [64, 61, 64, 69]


def test_a_schedule_moves_it_locally(fleet: Fleet) -> None:
    meter = fleet[0]
    stamp = meter.zone.stamp(NOW + 600)
    when = structure(octet_string(stamp[5:9]), octet_string(stamp[:5]))
    assert put(meter, "0-0:15.0.1*255", 22, 4, array(when)) == DataAccessResult.SUCCESS
    assert get(meter, SWITCH, 70, 3, now=NOW + 599) == _ON
    assert get(meter, SWITCH, 70, 3, now=NOW + 600) == _READY


def test_the_button_opens_only_where_the_mode_lets_it(fleet: Fleet) -> None:
    meter = fleet[0]
    assert not push_button(meter, NOW)
    assert put(meter, SWITCH, 70, 4, enum(2), now=NOW) == DataAccessResult.SUCCESS
    assert push_button(meter, NOW + 1)
    assert get(meter, SWITCH, 70, 3, now=NOW + 1) == _READY
    switch_off(meter, NOW + 2)
    assert not push_button(meter, NOW + 3)
    switch_on(meter, NOW + 4)
    assert push_button(meter, NOW + 5)


def test_a_jammed_switch_says_so(fleet: Fleet) -> None:
    meter = fleet[0]
    jam(meter, NOW)
    assert act(meter, SWITCH, 70, 1, now=NOW + 1) == ActionResult.HARDWARE_FAULT
    assert get(meter, SWITCH, 70, 2, now=NOW + 1) is True
    jam(meter, NOW + 2, jammed=False)
    assert act(meter, SWITCH, 70, 1, now=NOW + 3) == ActionResult.SUCCESS
    assert [row[1] for row in rows(meter, "0-0:99.98.2*255", now=NOW + 3)] == [68, 62]


def test_a_worn_switch_is_not_closed_by_the_meter_itself(fleet: Fleet) -> None:
    meter, now = fleet[0], NOW
    switch = _switch(meter)
    assert put(meter, SWITCH, 70, 4, enum(5)) == DataAccessResult.SUCCESS
    assert switch.operate(meter, Trigger.LOCAL_DISCONNECT, now)
    while switch.operate(meter, Trigger.LOCAL_RECONNECT, now + 1):
        now += 2
        assert switch.operate(meter, Trigger.LOCAL_DISCONNECT, now)
    assert len(meter.state.interruptions) == 1000
    assert get(meter, SWITCH, 70, 2, now=now + 1) is False
    assert rows(meter, "0-0:99.98.2*255", now=now + 1)[-1][1] == 68
    with pytest.raises(ActionRefused, match="hardware fault"):
        switch.act_locally(meter, 2, None, now + 1)
    assert push_button(meter, now + 2)
    assert get(meter, SWITCH, 70, 2, now=now + 2) is True


def test_a_switch_that_opened_ten_thousand_times_is_welded(fleet: Fleet) -> None:
    meter = fleet[0]
    get(meter, SWITCH, 70, 3)
    spans = (Interruption(NOW + place, NOW + place) for place in range(9_999))
    meter.change().interruptions = tuple(spans)
    now = NOW + 10_000
    assert act(meter, SWITCH, 70, 1, now=now) == ActionResult.SUCCESS
    assert act(meter, SWITCH, 70, 2, now=now + 1) == ActionResult.SUCCESS
    for second in range(2, 5):
        assert act(meter, SWITCH, 70, 1, now=now + second) == ActionResult.HARDWARE_FAULT
    assert act(meter, SWITCH, 70, 2, now=now + 5) == ActionResult.SUCCESS
    assert len(meter.state.interruptions) == 10_000
    assert get(meter, SWITCH, 70, 2, now=now + 6) is True
    assert rows(meter, "0-0:99.98.2*255", now=now + 6)[-1][1] == 68


def test_a_meter_without_a_switch_has_nothing_to_move() -> None:
    bare = Fleet(Template("bare", TEMPLATE.consumption, [], []), 1)[0]
    assert not operate(bare, Trigger.LOCAL_DISCONNECT, NOW)


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
    assert act(meter, SWITCH, 70, 2, now=NOW + 7) == ActionResult.OTHER_REASON


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
