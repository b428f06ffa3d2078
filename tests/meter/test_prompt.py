"""The short way of a plain GET answers what the long way answers, whatever happens in between."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import CLOCK, MONTHLY, NOW, SWITCH, act, put
from meter_asking import get as get_elsewhere

from ferraris.client.security import NoSecurity, Password
from ferraris.core.errors import LineError
from ferraris.core.layer import Closed, Opened
from ferraris.core.stack import Over
from ferraris.crypto.wrap import wrap
from ferraris.data.kinds import array, boolean, enum, octet_string, structure
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.meter import life
from ferraris.meter.behaviour.push_course import PushCourse
from ferraris.meter.faults.stack import faulty_stack
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Template
from ferraris.meter.templates import template
from ferraris.server.device import RequestContext
from ferraris.server.service import Service, server_stack
from ferraris.transport.addresses import Addresses
from ferraris.transport.profiles import TCP, UDP, WrapperProfile
from ferraris.transport.wrapper import pack

PUBLIC, READING = 16, 2
NAME, TEXT, VOLTAGE, IMPORT = "0-0:42.0.0*255", "0-0:96.13.0*255", "1-0:32.7.0*255", "1-0:1.8.0*255"
CALENDAR, FUNCTIONS, LOAD = "0-0:13.0.0*255", "0-0:44.1.0*255", "1-0:99.1.0*255"
RESIDENTIAL = template("residential")


def get(
    class_id: int, name: str, attribute: int = 2, invoke: int = 0xC1, rest: str = "00"
) -> bytes:
    descriptor = class_id.to_bytes(2, "big") + bytes(Obis.parse(name)) + bytes((attribute,))
    return bytes((0xC0, 1, invoke)) + descriptor + bytes.fromhex(rest)


def aarq(client: int, password: bytes) -> bytes:
    """What a client of the public or the reading association opens with."""
    security = NoSecurity() if client == PUBLIC else Password(password)
    association = ClientAssociation(security.parameters(bytes))
    association.open(0.0)
    association.notice(Opened(), 0.0)
    octets = association.transmit(0.0)
    assert isinstance(octets, bytes)
    return octets


READS = [
    get(1, NAME),
    get(1, NAME, invoke=0x42),
    get(1, NAME, invoke=0x81),  # unconfirmed
    get(1, NAME, 1),
    get(1, NAME, 0),
    get(1, NAME, 9),
    get(3, NAME),
    get(1, "0-0:42.0.9*255"),
    get(1, NAME, rest="01020100"),  # a selection that nobody offers
    get(1, NAME, rest="02"),
    get(1, NAME, rest="0000"),
    get(1, TEXT),
    get(3, IMPORT),
    get(3, IMPORT, 3),
    get(3, IMPORT, invoke=0xC7),
    get(3, "1-0:1.8.1*255"),
    get(3, VOLTAGE),
    get(3, "1-0:31.7.0*255"),
    get(8, CLOCK),
    get(8, CLOCK, 3),
    get(8, CLOCK, 4),
    get(20, CALENDAR, 2),
    get(70, SWITCH),
    get(7, MONTHLY),
    get(7, LOAD, 7),
    get(15, "0-0:40.0.0*255"),
    get(15, "0-0:40.0.0*255", 3),
]
OTHERS = [
    bytes.fromhex("c002c100000001"),
    bytes.fromhex("c002c100000002"),
    bytes.fromhex("c002c100000009"),
    bytes.fromhex("c003c102") + get(1, NAME)[3:] + get(3, IMPORT)[3:],
    bytes.fromhex("c101c10001") + bytes(Obis.parse(TEXT)) + bytes.fromhex("0200090568656c6c6f"),
    bytes.fromhex("c10181") + bytes.fromhex("0001") + bytes(Obis.parse(TEXT)) + b"\x02\0\x09\x01a",
    bytes.fromhex("c101c10003") + bytes(Obis.parse(IMPORT)) + bytes.fromhex("02000600000000"),
    bytes.fromhex("c102c10001") + bytes(Obis.parse(TEXT)) + bytes.fromhex("02000000000001020901"),
    bytes.fromhex("c301c10008") + bytes(Obis.parse(CLOCK)) + bytes.fromhex("01010f00"),
    bytes.fromhex("6200"),
    bytes.fromhex("6203800100"),
    bytes.fromhex("c4"),
    bytes.fromhex("c0"),
    bytes.fromhex("c001"),
    bytes.fromhex("e0800001") + b"\0\0\x0d" + get(1, NAME),
    bytes.fromhex("10400000010000"),
]
CLIENTS = st.sampled_from([(PUBLIC, 1), (READING, 1), (READING, 16), (5, 1), (READING, 127)])
EVENTS = [
    "a second",
    "a quarter",
    "a month",
    "set the clock",
    "write a text",
    "activate the calendar",
    "disconnect",
    "reset the profile",
    "switch a function off",
    "change the keys",
    "power off",
    "power on",
    "power off and on",
    "asked elsewhere",
    "silence",
    "configure",
    "push",
    "half a unit",
    "two at once",
    "lost",
    "closed",
]
ACTIONS = st.one_of(
    st.tuples(CLIENTS, st.sampled_from(READS)),
    st.tuples(CLIENTS, st.sampled_from(READS)),
    st.tuples(CLIENTS, st.sampled_from(OTHERS)),
    st.tuples(CLIENTS, st.sampled_from(["associate", "associate badly", "associate small"])),
    st.tuples(st.just((PUBLIC, 1)), st.sampled_from(EVENTS)),
)


class Line:
    """A line of two meters; `short` takes the short way where it can, as drivers do."""

    def __init__(self, *, short: bool, profile: WrapperProfile = TCP) -> None:
        self.short, self.profile = short, profile
        self.now, self.utc = 0.0, float(NOW)
        self.fleet = Fleet(RESIDENTIAL, 2, seed=11)
        self.stack: Over[Any, Any, Any, bytes] = self.made()  # type: ignore[assignment]
        self.told: list[Any] = []
        self.shortened = 0
        self.stack.open(self.now)
        self.drain()

    def made(self) -> Any:
        return server_stack(
            self.profile, self.fleet.find, entropy=lambda count: b"e" * count, utc=lambda: self.utc
        )

    @property
    def meter(self) -> SimulatedMeter:
        return self.fleet[0]

    def do(self, action: tuple[tuple[int, int], bytes | str]) -> None:
        ends, what = action
        self.now += 0.25
        if isinstance(what, bytes):
            self.hear(pack(*ends, what))
        elif what.startswith("associate"):
            password = self.fleet.password(0) if what != "associate badly" else b"guessed"
            octets = aarq(ends[0], password)
            if what == "associate small":  # the largest APDU that the client takes
                octets = octets[:-2] + b"\0\x50"
            self.hear(pack(*ends, octets))
        else:
            self.happen(what)
        self.drain()

    def happen(self, what: str) -> None:
        meter, now = self.meter, int(self.utc)
        if what in _TIMES:
            self.utc += _TIMES[what]
        elif what == "power off":
            life.switch_off(meter, now)
        elif what == "power on":
            life.switch_on(meter, now)
        elif what == "power off and on":
            life.switch_off(meter, now)
            life.switch_on(meter, now)
        elif what == "asked elsewhere":
            self.told.append(get_elsewhere(meter, "0-0:1.0.0*255", 8, now=now))
        elif what == "silence":
            meter.change().silence = (now, now + 3)
        elif what == "configure":
            self.fleet.configured[(1, bytes(Obis.parse(TEXT))), 2] = b"\x09\x02as"
        elif what == "push":
            service = self.stack.upper
            assert isinstance(service, Service)
            push = DataNotification(0x40000001, b"", b"\x11\x07")
            self.told.append(service.notify(Addresses(PUBLIC, 1), push).state)
        elif what == "half a unit":
            self.hear(pack(PUBLIC, 1, READS[0])[:11])
        elif what == "two at once":
            self.hear(pack(PUBLIC, 1, READS[0]) + pack(READING, 1, READS[12]))
        elif what == "lost":
            self.stack.notice(Closed(LineError("cut", where="line")), self.now)
            self.drain()
            self.stack.open(self.now)
        elif what == "closed":
            self.stack.close(self.now)
            self.drain()
            self.stack.open(self.now)
        else:
            self.told.append(_CHANGES[what](meter, now))

    def hear(self, octets: bytes) -> None:
        answer = self.stack.served(octets) if self.short else None
        if answer is not None:
            self.shortened += 1
            self.told.append(answer)
            return
        self.stack.receive(octets, self.now)
        self.drain()

    def drain(self) -> None:
        while True:
            while (what := self.stack.event()) is not None:
                self.told.append(str(getattr(what, "error", what)))
            unit = self.stack.transmit(self.now)
            if unit is None:
                what = self.stack.event()
                if what is None:
                    return
                self.told.append(str(getattr(what, "error", what)))
            else:
                self.told.append(unit)

    def state(self) -> dict[str, Any]:
        """Everything about the line and its meters that a later request could depend on."""
        service = self.stack.upper
        assert isinstance(service, Service)
        associations = {}
        for address, (_, association) in service._associations.items():
            blocks = association._blocks
            kept = [getattr(blocks, name) for name in ("_outgoing", "_first", "_set_number")]
            associations[address] = (
                association.state,
                association.negotiated,
                association._opening,
                association._silent,
                association._demanded,
                [each if each is None else type(each) for each in kept],
            )
        return {
            "meters": [_plain(meter.state) for meter in self.fleet],
            "associations": associations,
            "unproved": service._unproved,
            "restarts": {key: seen[1] for key, seen in service._restarts.items()},
            "deadline": self.stack.deadline,
            "room": self.stack.room,
            "expects": self.stack.expects,
            "dropped": service.dropped_notifications,
        }


def _plain(value: Any) -> Any:
    """A state as dictionaries, whether or not its classes can be compared."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, PushCourse):  # its meter and set-up are those of the state
        names = [name for name in value.__slots__ if name not in ("meter", "setup")]
        return {name: getattr(value, name) for name in names}
    if isinstance(value, CipherKeys):
        return value.encryption_key, value.authentication_key
    return value


def _transfer(meter: SimulatedMeter, now: int) -> Any:
    master = meter.pairs.master_key
    assert master is not None
    new = bytes((len(meter.keys.encryption_key) + meter.key_changes,)) * 16
    data = array(structure(enum(0), octet_string(wrap(master, new))))
    return act(meter, "0-0:43.0.1*255", 64, 2, data, now=now)


def _function(meter: SimulatedMeter, now: int) -> Any:
    named = meter.fleet.template.behaviours[122, bytes(Obis.parse(FUNCTIONS))]
    name = next(iter(named._functions))  # type: ignore[attr-defined]
    states = array(structure(octet_string(name), boolean(False)))
    return act(meter, FUNCTIONS, 122, 1, states, now=now)


_TIMES = {"a second": 1, "a quarter": 900, "a month": 31 * 86_400}
_CHANGES: dict[str, Any] = {
    "set the clock": lambda meter, now: put(
        meter, CLOCK, 8, 2, octet_string(meter.zone.stamp(now + 40)), now=now
    ),
    "write a text": lambda meter, now: put(
        meter, TEXT, 1, 2, octet_string(b"%d" % now), client=READING, now=now
    ),
    "activate the calendar": lambda meter, now: act(meter, CALENDAR, 20, 1, now=now),
    "disconnect": lambda meter, now: act(meter, SWITCH, 70, 1, now=now),
    "reset the profile": lambda meter, now: act(meter, LOAD, 7, 1, now=now),
    "switch a function off": _function,
    "change the keys": _transfer,
}
OPEN = [((PUBLIC, 1), "associate"), ((READING, 1), "associate")]


@given(st.lists(ACTIONS, max_size=16), st.sampled_from([TCP, UDP]))
@settings(max_examples=120, deadline=None)
def test_both_ways_tell_the_same_and_leave_the_same(
    actions: list[Any], profile: WrapperProfile
) -> None:
    long, short = Line(short=False, profile=profile), Line(short=True, profile=profile)
    for action in [*OPEN, *actions]:
        long.do(action)
        short.do(action)
        assert short.told == long.told
        assert short.state() == long.state()
    assert not long.shortened


@pytest.mark.parametrize("event", EVENTS)
def test_every_change_is_seen_by_the_next_request(event: str) -> None:
    long, short = Line(short=False), Line(short=True)
    reads = [((READING, 1), each) for each in (*READS, *READS)]
    actions = [*OPEN, *reads, ((PUBLIC, 1), event), *reads, ((PUBLIC, 1), "power on"), *reads]
    for action in actions:
        long.do(action)
        short.do(action)
        assert short.told == long.told, action
    assert short.state() == long.state()
    assert short.shortened > 20


@pytest.mark.parametrize("client", [PUBLIC, READING])
def test_whatever_was_asked_before_and_between(client: int) -> None:
    """Each request between others that take the short way, from both clients of the line."""
    between = [*READS, *OTHERS, "associate", "associate badly", "associate small"]
    for ends in ((PUBLIC, 1), (READING, 1)):
        reads = [(ends, get(1, NAME))] * 3
        for what in between:
            long, short = Line(short=False), Line(short=True)
            for action in (*OPEN, *reads, ((client, 1), what), *reads, (ends, get(8, CLOCK, 4))):
                long.do(action)
                short.do(action)
                assert short.told == long.told, what
                assert short.state() == long.state(), what


def test_an_association_that_takes_little_gets_blocks() -> None:
    long, short = Line(short=False), Line(short=True)
    reads = [get(1, TEXT), get(1, NAME), get(1, TEXT), get(1, NAME), get(1, NAME), get(1, TEXT)]
    for line in (long, short):
        line.meter.change().write((1, bytes(Obis.parse(TEXT))), 2, b"\x09\x60" + bytes(96))
    for action in (
        *OPEN,
        ((READING, 1), "associate small"),
        *(((READING, 1), each) for each in reads),
    ):
        long.do(action)
        short.do(action)
        assert short.told == long.told
        assert short.state() == long.state()
    assert short.shortened


def test_a_meter_that_was_off_forgets_its_associations() -> None:
    long, short = Line(short=False), Line(short=True)
    events = ["power off and on", "a second", "asked elsewhere"]
    reads = [((READING, 1), get(1, NAME))] * 3
    for action in (*OPEN, *reads, *(((PUBLIC, 1), each) for each in events), *reads):
        long.do(action)
        short.do(action)
        assert short.told == long.told
    assert short.state() == long.state()


def test_a_function_that_is_off_and_a_written_text_are_told() -> None:
    line = Line(short=True)
    for action in (*OPEN, *[((READING, 1), get(1, TEXT))] * 3):
        line.do(action)  # type: ignore[arg-type]
    before = line.told[-1]
    assert line.shortened == 2
    line.do(((PUBLIC, 1), "write a text"))
    line.do(((READING, 1), get(1, TEXT)))
    assert line.shortened == 3
    assert line.told[-1] != before


def test_values_live_on_the_short_way() -> None:
    line = Line(short=True)
    for action in (*OPEN, *[((READING, 1), get(3, IMPORT))] * 2):
        line.do(action)  # type: ignore[arg-type]
    first = line.told[-1]
    line.utc += 600
    line.meter.get(
        RESIDENTIAL.objects[8, bytes(Obis.parse(CLOCK))],
        2,
        None,
        RequestContext(READING, 0, line.utc),
    )
    line.do(((READING, 1), get(3, IMPORT)))
    assert line.shortened == 2
    assert line.told[-1] > first


def test_what_clients_ask_for_does_not_fill_the_memory() -> None:
    line = Line(short=True)
    for action in OPEN:
        line.do(action)
    for number in range(300):
        line.do(((READING, 1), get(1, f"0-0:42.{number % 200}.{number % 7}*255", number % 5)))
    known = RESIDENTIAL.associations[READING].rights.prompt[READING].known
    assert len(known) < 100


@pytest.mark.parametrize("profile", [TCP, UDP])
def test_meters_that_may_fail_have_no_short_way(profile: WrapperProfile) -> None:
    class Faulty(Line):
        def made(self) -> Any:
            return faulty_stack(self.profile, self.fleet.find, entropy=bytes, utc=lambda: self.utc)

    line = Faulty(short=True, profile=profile)
    for action in (*OPEN, *[((READING, 1), each) for each in (*READS, *READS)]):
        line.do(action)
    assert line.shortened == 0
    assert len(line.told) > 40


def test_a_meter_that_sleeps_has_no_short_way() -> None:
    gas: Template = template("gas")
    key = (1, bytes(Obis.parse(NAME)))
    assert gas.windows
    assert Fleet(gas, 1, 3)[0].reader(gas.objects[key], 2) is None
    assert Fleet(RESIDENTIAL, 1, 3)[0].reader(RESIDENTIAL.objects[key], 2) is not None
