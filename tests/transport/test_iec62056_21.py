"""The opening of mode E: both ends on lines with real speeds, good and bad, and single messages."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from bad_line import Answerer, Asker, Physics, answer_to
from hypothesis import given
from hypothesis import strategies as st
from speed_line import SpeedLine

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    LineError,
    SequenceError,
    UsageError,
)
from ferraris.core.layer import Closed, Deliver, Failed, LineSettings, Opened
from ferraris.core.stack import over, then
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.secondary import Secondary
from ferraris.transport.iec62056_21.characters import proven, sent
from ferraris.transport.iec62056_21.messages import Identification, OptionSelect, Request
from ferraris.transport.iec62056_21.metering import MeterOpening
from ferraris.transport.iec62056_21.opening import Opening
from ferraris.transport.iec62056_21.states import METER, READER, Happening, State, step
from ferraris.transport.schemes import profile_of
from ferraris.transport.serial_profiles import ModeEProfile

METER_NAME = Identification("FER", "5", "2", "Ferraris")
SLOW = LineSettings(300, 7, "E")
FAST = LineSettings(9600)
ASKED = [number.to_bytes(4, "big") + b"what do you count" for number in range(3)]


def line(
    physics: Physics | None = None,
    seed: int = 0,
    *,
    reader: Opening | None = None,
    meter: MeterOpening | None = None,
    echo: bool = False,
    size: int = 300,
    max_tries: int = 12,
) -> SpeedLine:
    opening = reader or Opening(max_tries=max_tries)
    client = over(
        Asker(),
        then(opening, Primary(1, 1, physical=17, response_timeout_s=2, max_tries=max_tries)),
    )
    server = over(
        Answerer(size, Random(seed)),
        over(Secondary(physical=17), meter or MeterOpening(METER_NAME)),
    )
    found = SpeedLine(client, server, physics or Physics(), seed, echo=echo)
    server.open(0.0)
    client.open(0.0)
    return found


def answers(wire: SpeedLine) -> list[bytes]:
    return [what.unit for what in wire.events["client"] if type(what) is Deliver]


def session(wire: SpeedLine) -> None:
    """Ask three times, and end in order."""
    wire.events["client"].clear()
    wire.to_send.extend(ASKED)
    wire.run(until=wire.now + 600)
    assert not wire.failures()
    assert answers(wire) == [answer_to(request, 300) for request in ASKED]
    wire.ends["client"].close(wire.now)
    wire.run(until=wire.now + 60)
    assert type(wire.events["client"][-1]) is Closed


def dialogue(wire: SpeedLine) -> list[tuple[str, object]]:
    """What went over the line before HDLC."""
    first = next(
        place
        for place, (_, unit) in enumerate(wire.history)
        if isinstance(unit, bytes) and unit.startswith(b"\x7e")
    )
    return wire.history[:first]


def test_the_dialogue() -> None:
    wire = line()
    session(wire)
    assert dialogue(wire) == [
        ("client", SLOW),
        ("client", b"/?!\r\n"),
        ("server", SLOW),
        ("server", b"/FER5\\2Ferraris\r\n"),
        ("client", b"\x06252\r\n"),
        ("server", b"\x06252\r\n"),
        ("server", FAST),
        ("client", FAST),
    ]


def test_session_after_session() -> None:
    wire = line()
    for _ in range(3):
        session(wire)
        assert wire.settings["server"] == SLOW
        wire.ends["client"].open(wire.now)


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("confirms", [False, True])
@pytest.mark.parametrize("software", [False, True])
def test_heads_that_echo_meters_that_do_not_confirm(
    echo: bool, confirms: bool, software: bool
) -> None:
    wire = line(
        reader=Opening(software_parity=software),
        meter=MeterOpening(METER_NAME, confirms=confirms),
        echo=echo,
    )
    session(wire)
    assert wire.settings["client"] == FAST


def test_eight_bit_ports_at_both_ends() -> None:
    wire = line(
        reader=Opening(software_parity=True), meter=MeterOpening(METER_NAME, software_parity=True)
    )
    session(wire)
    assert dialogue(wire)[1] == ("client", b"\xaf\x3f\x21\x8d\x0a")


def test_a_slower_reader_chooses_the_speed() -> None:
    wire = line(reader=Opening(fastest=5000))
    session(wire)
    assert wire.settings["client"] == LineSettings(4800)


def test_the_device_that_is_meant_answers() -> None:
    wire = line(reader=Opening(address="1234"), meter=MeterOpening(METER_NAME, address="001234"))
    session(wire)
    wire = line(reader=Opening(address="77"), meter=MeterOpening(METER_NAME, address="001234"))
    wire.run(until=60)
    (error,) = wire.failures()
    assert isinstance(error, LineError)
    assert "no identification after 3 requests" in str(error)


BAD = {
    "loss": Physics(loss=0.15),
    "damage": Physics(damage=0.15, cut=0.1),
    "noise": Physics(noise=0.3, longest_chunk=7),
    "everything": Physics(loss=0.05, duplication=0.05, damage=0.05, noise=0.1, cut=0.05),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("confirms", [False, True])
def test_bad_lines(kind: str, confirms: bool) -> None:
    """Half lines, late answers, noise: all sessions that get through are right, and all end."""
    through = 0
    for seed in range(40):
        wire = line(BAD[kind], seed, meter=MeterOpening(METER_NAME, confirms=confirms))
        wire.to_send.extend(ASKED)
        wire.run(until=3600)
        expected = [answer_to(request, 300) for request in ASKED]
        if wire.failures():
            assert expected[: len(answers(wire))] == answers(wire)
        else:
            assert answers(wire) == expected
            through += 1
        wire.ends["client"].close(wire.now)
        wire.run(until=wire.now + 3600)
        assert type(wire.events["client"][-1]) is Closed
        assert wire.settings["server"] == SLOW, "the meter is ready for the next reader"
    assert through >= 25


def test_a_reader_that_goes_away_leaves_the_meter_ready() -> None:
    for left_at in (1.0, 2.0, 3.0, 4.0):
        wire = line(meter=MeterOpening(METER_NAME, inactivity_timeout_s=20))
        wire.run(until=left_at)
        wire.dead = True
        wire.run(until=left_at + 300)
        assert wire.settings["server"] == SLOW
        wire.ends["client"].close(wire.now)
        wire.run(until=left_at + 600)
        wire.dead = False
        wire.ends["client"].open(wire.now)
        session(wire)


# -- one end alone -------------------------------------------------------------------------------


class Alone:
    """A reader's opening, without anybody at the other end but the test."""

    def __init__(self, **options: Any) -> None:
        self.layer = Opening(**options)
        self.now = 0.0
        self.layer.open(0.0)
        self.events: list[Any] = []

    def pull(self) -> list[Any]:
        units = []
        while (unit := self.layer.transmit(self.now)) is not None:
            units.append(unit)
        while (what := self.layer.event()) is not None:
            self.events.append(what)
        return units

    def hear(self, octets: bytes) -> list[Any]:
        self.layer.receive(octets, self.now)
        return self.pull()

    def wait(self) -> list[Any]:
        assert self.layer.deadline is not None
        self.now = self.layer.deadline
        self.layer.wake(self.now)
        return self.pull()

    @property
    def end(self) -> Any:
        return self.events[-1].error if self.events else None


def test_three_requests_into_silence() -> None:
    reader = Alone()
    assert reader.pull() == [SLOW, b"/?!\r\n"]
    assert reader.wait() == [b"/?!\r\n"]
    assert reader.wait() == [b"/?!\r\n"]
    assert reader.wait() == []
    assert isinstance(reader.end, LineError)
    assert "optical head" in str(reader.end)
    assert reader.layer.deadline is None
    assert not reader.layer.expects


@pytest.mark.parametrize(
    ("answer", "mode"),
    [(b"/LGZ5ZMD3104107.B32\r\n", "C"), (b"/ABCEold\r\n", "B"), (b"/ABC?x\r\n", "A")],
)
def test_a_meter_without_hdlc_is_named(answer: bytes, mode: str) -> None:
    reader = Alone()
    reader.pull()
    reader.hear(answer)
    assert isinstance(reader.end, IncompatibleError)
    name = Identification.from_octets(answer)
    assert f"{name.manufacturer} {name.identification} offers mode {mode} only" in str(reader.end)


def test_a_speed_that_is_reserved() -> None:
    reader = Alone()
    reader.pull()
    reader.hear(b"/ABC8\\2x\r\n")
    assert isinstance(reader.end, IncompatibleError)
    assert "Z = 8" in str(reader.end)


def test_an_identification_that_is_none() -> None:
    reader = Alone()
    reader.pull()
    for _ in range(3):
        reader.hear(b"/A!C5x\r\n")
        reader.wait()
    assert isinstance(reader.events[0], Failed)
    assert isinstance(reader.end, DecodeError)


def chosen(**options: Any) -> Alone:
    reader = Alone(**options)
    reader.pull()
    assert reader.hear(METER_NAME.to_octets()) == [b"\x06252\r\n"]
    return reader


@pytest.mark.parametrize(("answer", "said"), [(b"\x15", "NAK"), (b"\x021.8.0(1)", "readout")])
def test_a_meter_that_refuses(answer: bytes, said: str) -> None:
    reader = chosen()
    reader.hear(answer)
    reader.wait()
    assert isinstance(reader.end, IncompatibleError)
    assert said in str(reader.end)


def test_a_single_damaged_octet_is_no_refusal() -> None:
    reader = chosen()
    reader.hear(b"\x15")
    assert reader.hear(b"\x06252\r\n") == [FAST]


def test_a_confirmation_of_something_else() -> None:
    reader = chosen()
    reader.hear(b"\x06250\r\n")
    assert isinstance(reader.end, SequenceError)


def test_noise_does_not_hold_it_for_ever() -> None:
    reader = Alone()
    reader.pull()
    for _ in range(3):
        deadlines = set()
        for _ in range(2000):
            reader.now += 0.03
            reader.hear(b"x")
            deadlines.add(reader.layer.deadline)
        assert len(deadlines) < 300
        reader.wait()
    assert isinstance(reader.end, LineError)


def test_a_pause_before_hdlc() -> None:
    reader = chosen()
    assert reader.hear(b"\x06252\r\n") == [FAST]
    assert reader.events == []
    before = reader.now
    reader.hear(b"\xf0\x0f")  # the end of something at the old speed
    reader.wait()
    assert reader.now == pytest.approx(before + 0.3)
    assert reader.events == [Closed()]


@pytest.mark.parametrize("act", ["close", "cancel", "lost"])
@pytest.mark.parametrize("moment", range(4))
def test_it_ends_in_every_state(act: str, moment: int) -> None:
    reader = Alone()
    steps = [
        reader.pull,
        lambda: reader.hear(METER_NAME.to_octets()),
        lambda: reader.hear(b"\x06252\r\n"),
    ]
    for stage in steps[:moment]:
        stage()
    lost = LineError("gone")
    if act == "lost":
        reader.layer.notice(Closed(lost), reader.now)
    else:
        getattr(reader.layer, act)(reader.now)
    assert reader.pull() == []
    assert reader.layer.deadline is None
    assert reader.events == {"close": [Closed()], "cancel": [], "lost": [Closed(lost)]}[act]
    reader.layer.open(reader.now)
    assert reader.pull() == [SLOW, b"/?!\r\n"]


def chunks(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    return [octets[start:end] for start, end in pairwise(places)]


@given(st.lists(st.integers(0, 200), max_size=12), st.binary(max_size=30), st.booleans())
def test_any_chunking_gives_the_same(cuts: list[int], noise: bytes, echo: bool) -> None:
    heard = noise + (b"/?!\r\n" if echo else b"") + noise + METER_NAME.to_octets()
    at_once, cut = Alone(), Alone()
    for reader, pieces in ((at_once, [heard]), (cut, chunks(heard, cuts))):
        reader.pull()
        for piece in pieces:
            reader.layer.receive(piece, 0.0)
        reader.sent = reader.pull()  # type: ignore[attr-defined]
    assert repr(at_once.events) == repr(cut.events)
    assert at_once.sent == cut.sent  # type: ignore[attr-defined]
    assert at_once.layer._state is cut.layer._state


@given(st.lists(st.integers(0, 200), max_size=12), st.binary(max_size=30))
def test_any_chunking_gives_the_same_meter(cuts: list[int], noise: bytes) -> None:
    heard = noise + b"/?!\r\n"
    results = []
    for pieces in ([heard], chunks(heard, cuts)):
        meter = MeterOpening(METER_NAME)
        meter.open(0.0)
        assert meter.transmit(0.0) == SLOW
        for piece in pieces:
            meter.receive(piece, 0.0)
        results.append((meter.deadline, meter._state))
    assert results[0] == results[1]


@given(st.binary(max_size=200))
def test_parity_in_software(octets: bytes) -> None:
    plain = bytes(octet & 0x7F for octet in octets)
    wire = sent(plain, True)
    assert all(octet.bit_count() % 2 == 0 for octet in wire)
    assert proven(wire, True) == plain
    assert proven(plain, False) == plain
    damaged = bytes(octet ^ 0x10 for octet in wire)
    assert proven(damaged, True) == b"\x7f" * len(wire)


# -- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "expected", "mode", "baud"),
    [
        (b"/LGZ4\\2ZMF100AC.M26\r\n", Identification("LGZ", "4", "2", "ZMF100AC.M26"), "E", 4800),
        (b"/ISk5\\2MT382-1000\r\n", Identification("ISk", "5", "2", "MT382-1000"), "E", 9600),
        (b"/ELS5\\@V10.04\r\n", Identification("ELS", "5", "@", "V10.04"), "C", 9600),
        (b"/ABC9\r\n", Identification("ABC", "9", "", ""), "C", None),
    ],
)
def test_identifications(octets: bytes, expected: Identification, mode: str, baud: int) -> None:
    found = Identification.from_octets(octets)
    assert found == expected
    assert (found.mode, found.baud) == (mode, baud)
    assert found.to_octets() == octets


@pytest.mark.parametrize(
    "octets", [b"", b"/", b"/AB5\r\n", b"/ABC5x", b"/ABC5x\n", b"/ABC5\x7f\r\n", b"xABC5\r\n"]
)
def test_no_identifications(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        Identification.from_octets(octets)


def test_requests_and_options() -> None:
    assert Request.from_octets(b"/?0012!\r\n").is_for("12")
    assert not Request.from_octets(b"/?13!\r\n").is_for("12")
    assert Request.from_octets(b"/?!\r\n").is_for("12")
    with pytest.raises(DecodeError):
        Request.from_octets(b"/?12\r\n")
    with pytest.raises(UsageError, match="32"):
        Request("1" * 33)
    assert OptionSelect.from_octets(b"\x06252\r\n").is_hdlc
    assert not OptionSelect.from_octets(b"\x06050\r\n").is_hdlc
    with pytest.raises(DecodeError):
        OptionSelect.from_octets(b"\x0625\r\n")


def test_tables_have_no_other_steps() -> None:
    for table in (READER, METER):
        for state in State:
            for happening in Happening:
                if happening in table.get(state, {}):
                    assert step(table, state, happening) in State
                else:
                    with pytest.raises(SequenceError):
                        step(table, state, happening)


def test_speeds_slower_than_the_opening() -> None:
    with pytest.raises(UsageError, match="300"):
        Opening(fastest=200)
    with pytest.raises(UsageError, match="Z = 7"):
        MeterOpening(Identification("ABC", "7", "2", ""))


def test_a_profile_from_the_options_of_a_url() -> None:
    found = profile_of("serial", {"mode": "e", "baud": "4800", "device": "12"})
    assert found == ModeEProfile("12", 4800)
    assert profile_of("serial", {"mode": "E", "soft_parity": "1"}).software_parity  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="mode=c"):
        profile_of("serial", {"mode": "c"})
    with pytest.raises(UsageError, match="300"):
        profile_of("serial", {"mode": "e", "baud": "110"})


def test_both_stacks_of_the_profile_meet() -> None:
    profile = ModeEProfile(fastest=19200)
    client = over(Asker(), profile.client_stack(1, 1, physical=17))
    server = over(Answerer(300, Random(0)), profile.server_stack(physical=17))
    wire = SpeedLine(client, server, Physics())
    server.open(0.0)
    client.open(0.0)
    session(wire)
    assert LineSettings(19200) in [unit for _, unit in wire.history]
    assert not any(type(what) is Opened for what in wire.events["server"])
