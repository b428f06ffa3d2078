"""The AT dialogue: every answer, in words and numbers, in any chunks; noise; a lost carrier."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from bad_line import Answerer, Asker, Line, Physics, answer_to
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    LineError,
    RefusedError,
    SequenceError,
    UsageError,
)
from ferraris.core.layer import Closed, Deliver, Opened
from ferraris.core.stack import Plain, over
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.secondary import Secondary
from ferraris.transport.modem.modem import Modem
from ferraris.transport.modem.results import Result, parse_result
from ferraris.transport.modem.states import MODEM, Happening, State, step
from ferraris.transport.schemes import profile_of
from ferraris.transport.serial_profiles import ModemProfile

NUMBER = "+49 30 1234"


class Desk:
    """A modem layer, and the test in the place of the modem."""

    def __init__(self, **options: Any) -> None:
        self.layer = Modem(NUMBER, **options)
        self.now = 0.0
        self.events: list[Any] = []
        self.layer.open(0.0)

    def pull(self) -> list[bytes]:
        units = []
        while (unit := self.layer.transmit(self.now)) is not None:
            units.append(unit)
        while (what := self.layer.event()) is not None:
            self.events.append(what)
        return units  # type: ignore[return-value]

    def hear(self, octets: bytes) -> list[bytes]:
        self.layer.receive(octets, self.now)
        return self.pull()

    def wait(self) -> list[bytes]:
        assert self.layer.deadline is not None
        self.now = self.layer.deadline
        self.layer.wake(self.now)
        return self.pull()

    def connect(self) -> None:
        assert self.pull() == [b"ATE0V1\r"]
        assert self.hear(b"\r\nOK\r\n") == [b"ATD+49 30 1234\r"]
        assert self.hear(b"\r\nCONNECT 9600\r\n") == []
        assert self.events == [Opened()]
        self.events.clear()

    @property
    def error(self) -> Any:
        assert type(self.events[-1]) is Closed
        return self.events[-1].error


@pytest.mark.parametrize("connect", [b"\r\nCONNECT\r\n", b"\r\nCONNECT 19200/V.42\r\n", b"1\r"])
@pytest.mark.parametrize("ok", [b"\r\nOK\r\n", b"0\r", b"ATZ\r\r\nOK\r\n", b"ATZ\r0\r"])
def test_words_and_numbers_with_echo_and_without(ok: bytes, connect: bytes) -> None:
    desk = Desk(initialisation=("ATZ", "ATX4"), dial="ATDT")
    assert desk.pull() == [b"ATZ\r"]
    assert desk.hear(ok) == [b"ATX4\r"]
    assert desk.hear(ok) == [b"ATDT+49 30 1234\r"]
    assert desk.hear(b"ATDT+49 30 1234\r\r\nRING\r\n2\r" + connect + b"~data") == []
    assert desk.events == [Opened(), Deliver(b"~data")]
    desk.layer.send(b"~more", desk.now)
    assert desk.pull() == [b"~more"]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"\r\nBUSY\r\n", RefusedError, "busy"),
        (b"7\r", RefusedError, "busy"),
        (b"\r\nNO ANSWER\r\n", RefusedError, "nobody answers"),
        (b"8\r", RefusedError, "nobody answers"),
        (b"\r\nNO DIALTONE\r\n", RefusedError, "plugged in"),
        (b"\r\nNO DIAL TONE\r\n", RefusedError, "plugged in"),
        (b"6\r", RefusedError, "plugged in"),
        (b"\r\nNO CARRIER\r\n", RefusedError, "no modem answers"),
        (b"3\r", RefusedError, "no modem answers"),
        (b"\r\nERROR\r\n", IncompatibleError, "does not take 'ATD'"),
        (b"\r\n+CME ERROR: 30\r\n", IncompatibleError, "does not take 'ATD'"),
    ],
)
def test_no_connection(answer: bytes, kind: type[Exception], said: str) -> None:
    desk = Desk()
    desk.pull()
    desk.hear(b"0\r")
    desk.hear(answer)
    assert isinstance(desk.error, kind)
    assert said in str(desk.error)
    assert NUMBER not in str(desk.error)
    assert desk.layer.deadline is None


def test_an_initialisation_that_the_modem_does_not_know() -> None:
    desk = Desk(initialisation=("AT&Q9",))
    desk.pull()
    desk.hear(b"4\r")
    assert isinstance(desk.error, IncompatibleError)
    assert "'AT&Q9'" in str(desk.error)


def test_a_silent_modem() -> None:
    desk = Desk()
    said = [desk.pull(), desk.wait(), desk.wait(), desk.wait(), desk.wait(), desk.wait()]
    assert said == [[b"ATE0V1\r"], [b"+++"], [b"ATH\r"], [b"ATE0V1\r"], [b"ATE0V1\r"], []]
    assert isinstance(desk.error, LineError)
    assert "no modem at all" in str(desk.error)
    assert desk.now == pytest.approx(22.0)


@pytest.mark.parametrize("answers", [[b"\r\nOK\r\n", b"0\r"], [b"\r\nNO CARRIER\r\n"]])
def test_a_modem_that_is_still_in_a_call(answers: list[bytes]) -> None:
    desk = Desk()
    desk.pull()
    said = [desk.wait(), *(desk.hear(answer) for answer in answers)]
    assert said[0] == [b"+++"]
    assert said[-1] == [b"ATE0V1\r"]
    assert desk.hear(b"0\r") == [b"ATD+49 30 1234\r"]


def test_nobody_answers_within_a_minute() -> None:
    desk = Desk()
    desk.pull()
    desk.hear(b"0\r")
    desk.wait()
    assert isinstance(desk.error, LineError)
    assert desk.now == pytest.approx(60.0)


def test_hanging_up_by_the_escape_sequence() -> None:
    desk = Desk()
    desk.connect()
    desk.layer.close(10.0)
    assert desk.pull() == []
    assert desk.layer.deadline == 11.0
    assert desk.hear(b"the last of it") == []
    assert desk.wait() == [b"+++"]
    assert desk.hear(b"\r\nOK\r\n") == [b"ATH\r"]
    desk.hear(b"\r\nOK\r\n")
    assert desk.events == [Closed()]


@pytest.mark.parametrize("answers", [[b""], [b"\r\nNO CARRIER\r\n"], [b"", b""], [b"0\r", b""]])
def test_hanging_up_ends_whatever_the_modem_says(answers: list[bytes]) -> None:
    desk = Desk()
    desk.connect()
    desk.layer.close(desk.now)
    desk.wait()
    for answer in answers:
        desk.hear(answer)
    while desk.layer.deadline is not None:
        desk.wait()
    assert desk.events == [Closed()]


def test_hanging_up_by_closing_the_port() -> None:
    desk = Desk(escape=False)
    desk.connect()
    desk.layer.close(desk.now)
    assert desk.pull() == []
    assert desk.events == [Closed()]


def test_a_lost_carrier() -> None:
    desk = Desk()
    desk.connect()
    desk.hear(b"~half a frame\r\nNO CARRIER\r\n")
    assert desk.events == [Deliver(b"~half a frame\r\nNO CARRIER\r\n")]
    desk.wait()
    assert isinstance(desk.error, LineError)
    assert "carrier lost" in str(desk.error)
    assert desk.now == pytest.approx(1.0)


def test_a_text_that_says_no_carrier_is_data() -> None:
    desk = Desk()
    desk.connect()
    desk.hear(b"~a text: \r\nNO CARRIER\r\n")
    desk.now = 0.5
    desk.hear(b"and the end of the frame~")
    assert desk.layer.deadline is None
    assert all(type(what) is Deliver for what in desk.events)


@pytest.mark.parametrize("stage", range(5))
@pytest.mark.parametrize("act", ["close", "lost", "open"])
def test_it_ends_in_every_state(stage: int, act: str) -> None:
    desk = Desk()
    steps = [
        desk.pull,
        lambda: desk.hear(b"0\r"),
        lambda: desk.hear(b"1\r"),
        lambda: desk.layer.close(desk.now),
    ]
    for take in steps[:stage]:
        take()
    desk.pull()
    desk.events.clear()
    if act == "open":
        desk.layer.open(desk.now)  # is open or on its way
        return
    lost = LineError("gone")
    if act == "lost":
        desk.layer.notice(Closed(lost), desk.now)
    else:
        desk.layer.close(desk.now)
    desk.pull()
    while desk.layer.deadline is not None:
        desk.wait()
    assert desk.events == [Closed(lost if act == "lost" else None)]
    desk.layer.open(desk.now)
    assert desk.pull() == [b"ATE0V1\r"]


HEARD = (
    b"ATE0V1\r\r\nOK\r\n",
    b"\r\nRINGING\r\n\r\nCONNECT 2400\r\n\n~some octets~\r\nNO CARRIER\r\n",
)


@given(st.lists(st.integers(0, 100), max_size=12), st.binary(max_size=20))
def test_any_chunking_gives_the_same(cuts: list[int], noise: bytes) -> None:
    results = []
    for places in ([], cuts):
        desk = Desk()
        log: list[Any] = [desk.pull()]
        for heard in (noise.replace(b"\r", b"") + b"\r" + HEARD[0], HEARD[1]):
            ends = sorted({cut % (len(heard) + 1) for cut in places} | {0, len(heard)})
            for start, end in pairwise(ends):
                desk.layer.receive(heard[start:end], 0.0)
            log.append(desk.pull())
        octets = b"".join(what.unit for what in desk.events if type(what) is Deliver)
        others = [type(what) for what in desk.events if type(what) is not Deliver]
        results.append((log, octets, others, desk.layer.deadline, desk.layer._state))
    assert results[0] == results[1]


@given(st.binary(max_size=600))
def test_whatever_the_modem_says_the_layer_lives(octets: bytes) -> None:
    desk = Desk()
    desk.pull()
    desk.hear(octets)
    desk.layer.close(desk.now)
    desk.pull()
    while desk.layer.deadline is not None:
        desk.wait()
    assert type(desk.events[-1]) is Closed


def test_result_codes() -> None:
    assert parse_result(b"CONNECT 115200") is Result.CONNECT
    assert parse_result(b"12") is Result.CONNECT
    for wrong in (b"", b"9", b"1234", b"CONNECTED", b"ATDT123", b"\xff\xff", b"\xb2"):
        with pytest.raises(DecodeError):
            parse_result(wrong)


def test_tables_have_no_other_steps() -> None:
    for state in State:
        for happening in Happening:
            if happening in MODEM[state]:
                assert step(MODEM, state, happening) in State
            else:
                with pytest.raises(SequenceError):
                    step(MODEM, state, happening)


@pytest.mark.parametrize(
    "options",
    [{"phone": ""}, {"phone": "12\r3"}, {"initialisation": ("ZZ",)}, {"dial": "AT\rX"}],
)
def test_what_is_no_number_and_no_command(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Modem(**({"phone": NUMBER} | options))


def test_a_profile_from_the_options_of_a_url() -> None:
    found = profile_of("modem", {"phone": "123", "init": "ATZ|ATX4", "dial": "ATDT", "baud": "300"})
    assert found == ModemProfile("123", ("ATZ", "ATX4"), "ATDT", baud=300)
    assert not profile_of("modem", {"phone": "1", "hangup": "dtr"}).escape  # type: ignore[attr-defined]
    for wrong in ({}, {"phone": "1", "hangup": "shout"}, {"phone": "1", "baud": "x"}):
        with pytest.raises(UsageError):
            profile_of("modem", wrong)
    with pytest.raises(UsageError, match="modem"):
        found.server_stack()


# -- HDLC through two modems ----------------------------------------------------------------------


class Exchange(Plain[bytes, bytes, bytes]):
    """What lies over the meter's link in a modem that answers: AT first, then octets both ways."""

    def __init__(self, carried: Any) -> None:
        super().__init__()
        self.carried = carried
        self.online = False
        self._line = b""

    @property
    def deadline(self) -> float | None:
        return self.carried.deadline  # type: ignore[no-any-return]

    def open(self, now: float) -> None:
        self.carried.open(now)

    def receive(self, unit: bytes, now: float) -> None:
        if self.online:
            if unit == b"+++":
                self.online = False
                self._down.append(b"\r\nOK\r\n")
            else:
                self.carried.receive(unit, now)
            return
        self._line += unit
        while b"\r" in self._line:
            command, _, self._line = self._line.partition(b"\r")
            self.online = b"ATD" in command
            self._down.append(b"\r\nCONNECT 9600\r\n" if self.online else b"\r\nOK\r\n")

    def wake(self, now: float) -> None:
        self.carried.wake(now)

    def transmit(self, now: float, expecting: bool = False) -> bytes | None:
        if self._down:
            return self._down.popleft()
        return self.carried.transmit(now, expecting) if self.online else None

    def event(self) -> Any:
        return self.carried.event()


BAD = {
    "good": Physics(),
    "loss": Physics(loss=0.1),
    "noise": Physics(noise=0.15, longest_chunk=5),
    "damage": Physics(damage=0.1, cut=0.05),
}


@pytest.mark.parametrize("kind", BAD)
def test_hdlc_through_modems(kind: str) -> None:
    asked = [number.to_bytes(4, "big") + b"what do you count" for number in range(3)]
    through = 0
    for seed in range(30):
        link = Primary(1, 1, physical=17, response_timeout_s=2, max_tries=12)
        client = over(Asker(), over(link, Modem("123")))
        carried = over(Answerer(300, Random(seed)), Secondary(physical=17))
        wire = Line(client, Exchange(carried), BAD[kind], seed)
        wire.ends["server"].open(0.0)
        client.open(0.0)
        wire.to_send.extend(asked)
        wire.run(until=3600)
        found = [what.unit for what in wire.events["client"] if type(what) is Deliver]
        expected = [answer_to(request, 300) for request in asked]
        if wire.failures():
            assert found == expected[: len(found)]
        else:
            assert found == expected
            through += 1
        client.close(wire.now)
        wire.run(until=wire.now + 600)
        assert type(wire.events["client"][-1]) is Closed
    assert through == 30 if kind == "good" else through >= 15
