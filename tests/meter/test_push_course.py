"""Pushes in virtual time: windows, chance, repetitions, confirmations late, never and twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ferraris.client.push import Push
from ferraris.client.push_receiving import PushReceiver
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    Data,
    array,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.association.server import Incident
from ferraris.messaging.dlms.notify import LONG_INVOKE_ID, DataNotificationConfirm
from ferraris.meter.behaviour.push_course import PushCourse
from ferraris.meter.behaviour.push_states import TRANSITIONS, PushState, PushTrigger, after
from ferraris.meter.behaviour.scripts import execution_times
from ferraris.meter.fleet import Fleet
from ferraris.meter.happenings import QUALITY_LOG
from ferraris.meter.life import switch_off, switch_on
from ferraris.meter.push_plan import PushPlan
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.templates import template
from ferraris.model.push import PushSetupV2
from ferraris.server.device import AccessRefused, ActionRefused, RequestContext

NOON = 1_795_003_200  # 2026-11-18 12:00 UTC, 13:00 by the meter's clock
PERIODIC, PROFILE, ALARM = (
    (40, bytes(Obis.parse(f"0-{channel}:25.9.0*255"))) for channel in (0, 1, 4)
)
ALARM_FILTER = (1, bytes(Obis.parse("0-0:97.98.10*255")))
GASP = (40, bytes(Obis.parse("0-5:25.9.0*255")))
SCHEDULE = (22, bytes(Obis.parse("0-0:15.0.4*255")))
NEVER: float = -1


class World:
    """A fleet, its plan, and a listener that answers after `delays_s`, one for each push heard."""

    def __init__(
        self,
        count: int = 1,
        *,
        takes: Callable[[float], bool] = lambda now: True,
        of: str = "residential",
    ) -> None:
        self.fleet = Fleet(template(of), count, seed=7)
        self.now = float(NOON)
        self.plan = PushPlan(self.fleet, self.now)
        self.takes = takes
        self.listener = PushReceiver()
        self.heard: list[tuple[float, Push]] = []
        self.tries: list[float] = []
        self.gasps: list[tuple[float, Push]] = []
        self.delays_s: list[list[float]] = []
        self.confirmations: list[tuple[float, SimulatedMeter, int]] = []
        self.accepted = 0

    @property
    def meter(self) -> SimulatedMeter:
        return self.fleet[0]

    def set(self, key: tuple[int, bytes], attribute: int, data: Data) -> None:
        entry = self.meter.objects[key]
        context = RequestContext(1, now=self.now)
        self.meter.set(entry, attribute, axdr.encode(data), None, context)

    def get(self, key: tuple[int, bytes], attribute: int) -> Data:
        context = RequestContext(1, now=self.now)
        return axdr.decode(self.meter.get(self.meter.objects[key], attribute, None, context))

    def act(self, key: tuple[int, bytes], method: int = 1, meter: int = 0) -> None:
        device = self.fleet[meter]
        device.act(device.objects[key], method, None, RequestContext(1, now=self.now))

    def course(self, key: tuple[int, bytes]) -> PushCourse:
        assert self.meter.state.courses is not None
        return self.meter.state.courses[key]

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            for course in self.plan.wake(self.now):
                self._send(course)
                self.plan.settle(course)
            due = [at for at, _, _ in self.confirmations]
            if self.plan.deadline is not None:
                due.append(max(self.plan.deadline, self.now))
            coming = min(due, default=None)
            if coming is None or coming > until:
                self.now = until
                return
            self.now = coming
            for each in [each for each in self.confirmations if each[0] <= self.now]:
                self.confirmations.remove(each)
                self.accepted += self.plan.confirmed(each[1], each[2], self.now)

    def _send(self, course: PushCourse) -> None:
        octets = course.notification(self.now)
        if course.setup.dying:
            (gasp,) = self.listener.take(octets, "m")
            assert isinstance(gasp, Push)
            self.gasps.append((self.now - NOON, gasp))
            course.taken(self.now)
            return
        self.tries.append(self.now - NOON)
        if not self.takes(self.now - NOON):
            course.failed(self.now)
            return
        (push,) = self.listener.take(octets, "m")
        assert isinstance(push, Push)
        self.heard.append((self.now - NOON, push))
        receipt = self.listener.confirmation(push)
        if receipt is not None:
            confirm = decode(receipt)
            assert isinstance(confirm, DataNotificationConfirm)
            number = confirm.long_invoke_id_and_priority & LONG_INVOKE_ID
            for delay_s in self.delays_s.pop(0) if self.delays_s else []:
                self.confirmations.append((self.now + delay_s, course.meter, number))
        course.taken(self.now)


def clock(hour: int, minute: int = 0) -> Data:
    """Every day at this time of the meter's clock."""
    return octet_string(b"\xff" * 5 + bytes((hour, minute, 0, 0)) + b"\x80\x00\xff")


def rows_of(push: Push) -> list[Data]:
    return push.data[1][2][1]  # type: ignore[no-any-return] # the list, the name, the buffer


def test_a_client_invokes_a_push():
    world = World()
    world.act(PERIODIC)
    world.run(NOON + 10)
    ((at, push),) = world.heard
    assert (at, len(push.readings)) == (0, 8)
    assert world.course(PERIODIC).state is PushState.IDLE


@pytest.mark.parametrize("every_s", [1, 5, 10])
def test_consumers_are_informed_every_few_seconds(every_s: int) -> None:
    """Each push is of its own second, and tells what the registers told then."""
    world = World(of="gateway-meter")
    times = execution_times(every_s)
    assert times is not None
    world.set(SCHEDULE, 4, times)
    world.run(NOON + 60)
    assert [at for at, _ in world.heard] == [float(at) for at in range(every_s, 61, every_s)]
    for at, push in world.heard:
        moment = NOON + int(at)
        assert push.time is not None
        assert push.time.timestamp() == moment
        values = {str(reading.name): reading.value for reading in push.readings}
        assert values["1-0:1.8.0*255"] == world.meter.total(0, moment)
        assert values["1-0:2.8.0*255"] == world.meter.total(1, moment)


def test_a_push_waits_for_its_window_and_for_chance():
    world = World(20)
    world.set(PERIODIC, 4, array(structure(clock(14), clock(15))))
    world.fleet.configured[PERIODIC, 5] = axdr.encode(long_unsigned(600))
    world.act(PERIODIC)
    world.run(NOON + 3599)
    assert not world.heard
    world.run(NOON + 2 * 3600)
    ((at, _),) = world.heard
    assert 3600 <= at <= 4200
    for number in range(1, 20):
        world.act(PERIODIC, meter=number)
    begin = world.now - NOON
    world.run(NOON + 3 * 3600)
    spread = sorted(at - begin for at, _ in world.heard[1:])
    assert len(spread) == 19
    assert spread[0] < 200
    assert 400 < spread[-1] <= 600
    again = World(20)
    again.fleet.configured[PERIODIC, 5] = axdr.encode(long_unsigned(600))
    for number in range(1, 20):
        again.act(PERIODIC, meter=number)
    again.run(NOON + 3600)
    assert sorted(at for at, _ in again.heard) == pytest.approx(spread)  # by the seed


def test_a_window_that_closes_between_tries_puts_them_off():
    world = World(takes=lambda at: at > 3600)
    world.set(PERIODIC, 4, array(structure(clock(13), clock(13, 5))))
    world.set(PERIODIC, 6, unsigned(3))
    world.set(PERIODIC, 7, long_unsigned(200))
    world.act(PERIODIC)
    world.run(NOON + 86400 + 3600)
    assert world.tries == [0, 200, 86400]
    assert [at for at, _ in world.heard] == [86400]


def test_tries_grow_apart_and_end():
    world = World(takes=lambda at: False)
    world.set(PROFILE, 7, structure(long_unsigned(60), long_unsigned(200), long_unsigned(200)))
    world.set(PROFILE, 6, unsigned(4))
    world.act(PROFILE)
    world.run(NOON + 7200)
    assert world.tries == [0, 60, 180, 380, 580]
    assert world.course(PROFILE).given_up == 1
    assert world.course(PROFILE).state is PushState.IDLE


def test_a_push_is_repeated_until_it_is_confirmed_and_its_rows_come_again_if_not():
    world = World()
    world.delays_s = [[], [], [], []]  # never: one try and three repetitions
    world.act(PROFILE)
    world.run(NOON + 4000)
    assert world.tries == [0, 60, 180, 420]
    bodies = {push.apdu.body for _, push in world.heard}  # type: ignore[union-attr] # all of data
    assert len(bodies) == 1
    assert len(rows_of(world.heard[0][1])) == 96
    assert world.get(PROFILE, 13)[1] == b"\xff" * 12
    world.now = NOON + 7200.0
    world.delays_s = [[5]]
    world.act(PROFILE)
    world.run(NOON + 7300)
    assert (len(rows_of(world.heard[-1][1])), world.accepted) == (96, 1)
    tag, stamp = world.get(PROFILE, 13)
    assert tag == PushSetupV2.last_confirmation_date_time.type.dump(DateTime(stamp))[0]
    assert DateTime(stamp).to_datetime().timestamp() == NOON + 7205
    world.now = NOON + 9000.0
    world.act(PROFILE)
    world.run(NOON + 9001)
    assert len(rows_of(world.heard[-1][1])) == 2  # 14:15 and 14:30 have passed since


def test_a_late_confirmation_ends_the_tries_and_a_second_one_is_nothing():
    world = World()
    world.delays_s = [[70], [3]]  # that of the first try comes after the second, and so again
    world.act(PROFILE)
    world.run(NOON + 4000)
    assert world.tries == [0, 60]
    assert world.accepted == 1
    twice = World()
    twice.delays_s = [[1, 2]]
    twice.act(PROFILE)
    twice.run(NOON + 4000)
    assert (twice.tries, twice.accepted) == ([0], 1)


def test_a_meter_switched_off_between_tries_forgets_the_push():
    world = World(takes=lambda at: at > 100)
    world.set(ALARM_FILTER, 2, double_long_unsigned(0))
    world.act(PROFILE)
    world.run(NOON + 30)
    assert world.course(PROFILE).state is PushState.PAUSED
    switch_off(world.meter, int(world.now))
    world.run(NOON + 3600)
    assert world.tries == [0]
    switch_on(world.meter, int(world.now))
    world.delays_s = [[1]]
    world.act(PROFILE)
    world.run(NOON + 3700)
    assert world.tries == [0, 3600]
    assert world.accepted == 1


def test_a_schedule_runs_the_script_and_once_for_all_that_was_missed():
    world = World()
    world.set(ALARM_FILTER, 2, double_long_unsigned(0))
    times = execution_times(900)
    assert times is not None
    world.set(SCHEDULE, 4, times)
    world.set(SCHEDULE, 4, times)
    world.run(NOON + 1800)
    assert world.tries == [900, 1800]
    switch_off(world.meter, int(world.now))
    world.run(NOON + 5000)
    assert world.tries == [900, 1800]
    switch_on(world.meter, int(world.now))
    world.run(NOON + 5400)
    assert world.tries == [900, 1800, 5000, 5400]


def test_the_last_gasp_leaves_when_the_power_has_gone():
    world = World()
    world.act(PERIODIC)
    world.act(PROFILE)
    world.run(NOON + 10)
    world.set(GASP, 5, long_unsigned(0))
    switch_off(world.meter, NOON + 20)
    world.run(NOON + 600)
    ((when, push),) = world.gasps
    assert when == 10  # as soon as anybody asks the plan, whose clock stood there
    assert [each.value for each in push.readings if each.name.d == 11] == [232]
    codes = [entry.code for entry in world.meter.state.noted(QUALITY_LOG)]
    assert codes[-1] == 232
    switch_on(world.meter, NOON + 700)
    world.run(NOON + 800)
    assert len(world.gasps) == 1


def test_a_last_gasp_that_would_have_to_wait_is_forgotten():
    world = World()
    world.set(GASP, 5, long_unsigned(600))
    world.run(NOON + 10)
    switch_off(world.meter, NOON + 20)
    world.run(NOON + 2000)
    assert world.gasps == []


def test_an_alarm_is_pushed_once_until_it_is_cleared():
    world = World()
    for _ in range(2):
        world.meter.incident(Incident.DECIPHERING_FAILED, 1, world.now)
        world.run(world.now + 10)
    ((_, push),) = world.heard
    assert [each.value for each in push.readings if each.name.d == 98] == [1 << 13]
    descriptor = (1, bytes(Obis.parse("0-0:97.98.20*255")))
    world.set(descriptor, 2, (6, 0))
    world.meter.incident(Incident.DECIPHERING_FAILED, 1, world.now)
    world.run(world.now + 10)
    assert len(world.heard) == 2
    assert world.get((1, bytes(Obis.parse("0-0:97.98.0*255"))), 2)[1] == 1 << 13


def test_what_is_invoked_meanwhile_follows_once():
    world = World()
    world.delays_s = [[30], [1]]
    world.act(PROFILE)
    world.run(NOON + 10)
    for _ in range(3):
        world.act(PROFILE)
    world.run(NOON + 3600)
    assert world.tries == [0, 30]
    world.act(PROFILE)
    world.run(world.now + 1)
    world.act(PROFILE, method=2)
    world.run(world.now + 3600)
    assert len(world.tries) == 3
    assert world.get(PROFILE, 13)[1] == b"\xff" * 12


def test_one_meter_that_nobody_confirms_keeps_no_other_waiting():
    world = World(3, takes=lambda at: True)
    world.act(PROFILE, meter=0)
    world.run(NOON + 5)
    world.act(PERIODIC, meter=1)
    world.act(PERIODIC, meter=2)
    world.run(NOON + 6)
    assert world.tries == [0, 5, 5]


def test_what_a_client_may_not_write_is_refused():
    world = World()
    with pytest.raises(AccessRefused):
        world.set(PROFILE, 13, octet_string(b""))
    with pytest.raises(AccessRefused):
        world.set(PERIODIC, 6, long_unsigned(1))
    with pytest.raises(AccessRefused):
        world.set(SCHEDULE, 4, array(enum(1)))
    options = structure(*[octet_string(b"")] * 5)
    with pytest.raises(AccessRefused):
        world.set(PROFILE, 10, array(structure(enum(9), options)))
    world.set(PROFILE, 10, array(structure(enum(0), options), structure(enum(1), options)))
    world.act(PROFILE)
    assert world.course(PROFILE).settings(NOON).protection == 0x30
    with pytest.raises(ActionRefused):
        world.act(PERIODIC, method=2)
    with pytest.raises(ActionRefused):
        world.act((9, bytes(Obis.parse("0-0:10.0.108*255"))))


def test_the_table_has_a_way_out_of_every_state():
    for state in PushState:
        assert after(state, PushTrigger.POWER_DOWN) is PushState.IDLE
        assert any(
            before is state and found is not state for (before, _), found in TRANSITIONS.items()
        )
    assert after(PushState.IDLE, PushTrigger.CONFIRMED) is None
