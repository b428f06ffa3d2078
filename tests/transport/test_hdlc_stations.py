"""Primary and secondary stations, frame by frame."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ferraris.core.errors import (
    DecodeError,
    IncompatibleError,
    LineError,
    RefusedError,
    SequenceError,
    UsageError,
)
from ferraris.core.layer import Closed, Deliver, Ended, Failed, Opened, Progress, To
from ferraris.core.stack import over
from ferraris.transport.addresses import ALL_STATIONS, Addresses
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame, Kind, parse
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.secondary import Secondary
from ferraris.transport.hdlc.states import PRIMARY, SECONDARY, Happening, State, step
from ferraris.transport.profiles import HDLC

SERVER, CLIENT = b"\x03", b"\x21"
COMMAND, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
LINK = Addresses(16, 1)


def events(layer: Any) -> list[Any]:
    found = []
    while (what := layer.event()) is not None:
        found.append(what)
    return found


def sent(layer: Any, now: float = 0.0, *, expecting: bool = False) -> list[Frame]:
    """All frames that leave now."""
    octets = b""
    while (unit := layer.transmit(now, expecting)) is not None:
        octets += unit
    return [parse(content) for content in Deframer().feed(octets, now)]


def controls(layer: Any, now: float = 0.0, *, expecting: bool = False) -> list[int]:
    return [frame.control for frame in sent(layer, now, expecting=expecting)]


def to_client(
    layer: Any, control: int, information: bytes = b"", *, more: bool = False, now: float = 0.0
) -> None:
    layer.receive(Frame(CLIENT, SERVER, control, information, more).to_octets(), now)


def to_server(
    layer: Any, control: int, information: bytes = b"", *, more: bool = False, now: float = 0.0
) -> None:
    layer.receive(Frame(SERVER, CLIENT, control, information, more).to_octets(), now)


def primary(**options: Any) -> Primary:
    layer = Primary(16, 1, **options)
    layer.open(0.0)
    assert controls(layer) == [0x93]
    to_client(layer, 0x73)
    assert events(layer) == [Opened()]
    return layer


def secondary(**options: Any) -> Secondary:
    layer = Secondary(**options)
    layer.open(0.0)
    to_server(layer, 0x93)
    assert controls(layer) == [0x73]
    assert events(layer) == [Opened()]
    return layer


# -- primary ----------------------------------------------------------------------------------


def test_primary_exchange() -> None:
    layer = primary()
    assert not layer.expects
    layer.send(b"ask", 0.0)
    (frame,) = sent(layer, 1.0)
    assert frame == Frame(SERVER, CLIENT, 0x10, COMMAND + b"ask")
    assert layer.expects
    assert layer.deadline == 4.0
    assert events(layer) == [Progress()]
    to_client(layer, 0x30, RESPONSE + b"ans", more=True)
    assert controls(layer) == [0x31], "asks for the rest"
    to_client(layer, 0x32, b"wer")
    assert [what for what in events(layer) if type(what) is Deliver] == [Deliver(b"answer")]
    assert controls(layer) == []
    assert layer.deadline is None


def test_primary_repeats_and_gives_up() -> None:
    layer = primary(max_tries=3)
    layer.send(b"ask", 0.0)
    for tries in range(3):
        assert controls(layer, 10.0 * tries) == [0x10]
        layer.wake(10.0 * tries)  # too early: nothing
        assert controls(layer, 10.0 * tries) == []
        layer.wake(10.0 * tries + 3.0)
    closed = events(layer)[-1]
    assert type(closed) is Closed
    assert "no answer after 3 tries" in str(closed.error)
    assert not layer.room
    with pytest.raises(UsageError):
        layer.send(b"", 0.0)


def test_primary_that_is_never_acknowledged_gives_up() -> None:
    layer = primary(max_tries=3)
    layer.send(b"ask", 0.0)
    for tries in range(3):
        assert controls(layer, 10.0 * tries) == [0x10]
        to_client(layer, 0x11, now=10.0 * tries)
        assert controls(layer, 10.0 * tries) == [], "an answer to an earlier poll"
        layer.wake(10.0 * tries + 3.0)
    found = events(layer)
    assert [type(what) for what in found] == [Progress, Closed], "repetitions are no progress"


def test_primary_polls_while_somebody_waits() -> None:
    layer = primary(poll_interval_s=0.1)
    layer.send(b"ask", 0.0)
    assert controls(layer) == [0x10]
    to_client(layer, 0x31)
    assert controls(layer, 1.0, expecting=True) == []
    assert layer.deadline == pytest.approx(1.1)
    assert controls(layer, 1.1, expecting=True) == [0x11]
    to_client(layer, 0x31)
    assert controls(layer, 1.2, expecting=False) == []
    assert layer.deadline is None


def test_primary_ignores_answers_to_earlier_polls() -> None:
    layer = primary()
    layer.send(b"one", 0.0)
    assert controls(layer) == [0x10]
    to_client(layer, 0x30, RESPONSE + b"1")
    layer.send(b"two", 0.0)
    assert controls(layer) == [0x32]
    to_client(layer, 0x30, RESPONSE + b"1")  # late, repeated
    assert controls(layer) == []
    to_client(layer, 0x52, RESPONSE + b"2")
    assert [what.unit for what in events(layer) if type(what) is Deliver] == [b"1", b"2"]


def test_primary_waits_for_a_busy_peer() -> None:
    layer = primary(poll_interval_s=0.1)
    layer.send(b"ask", 0.0)
    assert controls(layer) == [0x10]
    to_client(layer, 0x15)
    assert controls(layer, 0.0) == []
    assert controls(layer, 0.2) == [0x11]
    to_client(layer, 0x11)
    assert controls(layer, 0.3) == [0x10]


def test_primary_negotiates() -> None:
    layer = Primary(16, 1, parameters=Parameters(500, 600, 1, 1))
    layer.open(0.0)
    (snrm,) = sent(layer)
    assert Parameters.from_octets(snrm.information) == Parameters(500, 600, 1, 1)
    to_client(layer, 0x73, Parameters(62, 128).to_octets())
    assert layer.agreed == Parameters(128, 62, 1, 1)
    layer = Primary(16, 1, parameters=Parameters(500, 600, 7, 7))
    layer.open(0.0)
    sent(layer)
    to_client(layer, 0x73)
    assert layer.agreed == DEFAULT


def test_primary_is_refused() -> None:
    for control, kind in ((0x1F, RefusedError), (0x97, IncompatibleError)):
        layer = Primary(16, 1)
        layer.open(0.0)
        sent(layer)
        to_client(layer, control)
        (closed,) = events(layer)
        assert type(closed.error) is kind
        assert layer.deadline is None
    layer = Primary(16, 1)
    layer.open(0.0)
    sent(layer)
    to_client(layer, 0x73, b"\x80")
    (closed,) = events(layer)
    assert type(closed.error) is DecodeError


def test_primary_hears_of_a_disconnect() -> None:
    layer = primary()
    to_client(layer, 0x1F)
    (closed,) = events(layer)
    assert type(closed.error) is LineError
    to_client(layer, 0x1F)
    to_client(layer, 0x73)
    to_client(layer, 0x97)
    to_client(layer, 0x10, RESPONSE)
    assert events(layer) == []


@pytest.mark.parametrize("answer", [0x73, 0x1F, None])
def test_primary_closes(answer: int | None) -> None:
    layer = primary(max_tries=2)
    layer.close(0.0)
    layer.close(0.0)
    assert controls(layer) == [0x53]
    assert events(layer) == []
    if answer is None:
        layer.wake(3.0)
        assert controls(layer, 3.0) == [0x53]
        layer.wake(6.0)
    else:
        to_client(layer, answer)
    assert events(layer) == [Closed()]


def test_primary_knows_its_peer() -> None:
    layer = primary()
    layer.receive(Frame(CLIENT, b"\x05", 0x13, RESPONSE + b"x").to_octets(), 0.0)
    layer.receive(Frame(b"\x23", SERVER, 0x13, RESPONSE + b"x").to_octets(), 0.0)
    layer.receive(Frame(SERVER, CLIENT, 0x10, COMMAND + b"x").to_octets(), 0.0)  # an echo
    (failed,) = events(layer)
    assert type(failed.error) is SequenceError


def test_primary_delivers_ui_and_reports_the_rest() -> None:
    layer = primary()
    to_client(layer, 0x03, RESPONSE + b"pu", more=True)
    to_client(layer, 0x13, b"sh")
    to_client(layer, 0x13, b"\xe6\xe5\x00")
    to_client(layer, 0x1D)
    pushed, wrong_llc, unknown = events(layer)
    assert pushed == Deliver(b"push")
    assert type(wrong_llc.error) is DecodeError
    assert type(unknown.error) is SequenceError


def test_primary_to_all_stations() -> None:
    layer = Primary(16, ALL_STATIONS)
    layer.open(0.0)
    layer.open(0.0)
    assert events(layer) == [Opened()]
    layer.send(b"all", 0.0)
    (frame,) = sent(layer)
    assert frame == Frame(b"\xff", CLIENT, 0x03, COMMAND + b"all")
    assert layer.deadline is None
    layer.close(0.0)
    assert events(layer) == [Closed()]


def test_primary_waits_for_an_answer_that_comes_slowly_but_not_for_noise() -> None:
    layer = primary()
    layer.send(b"ask", 0.0)
    sent(layer)
    layer.receive(Frame(CLIENT, SERVER, 0x30, RESPONSE + b"answer").to_octets()[:9], 2.9)
    assert layer.deadline == pytest.approx(3.4), "the pause between octets"
    layer.wake(3.4)
    assert layer.deadline == pytest.approx(5.9)
    for tenth in range(1000):
        layer.receive(b"~\xa1\x00", 3.4 + tenth / 10)
        layer.wake(3.4 + tenth / 10)
        while layer.transmit(3.4 + tenth / 10) is not None:
            pass
    assert type(events(layer)[-1]) is Closed, "noise is no answer"


def test_primary_cancels_what_has_not_begun() -> None:
    layer = primary()
    layer.send(bytes(20), 0.0)
    layer.send(bytes(20), 0.0)
    sent(layer)
    layer.cancel(0.0)
    to_client(layer, 0x31)
    assert controls(layer) == []


# -- secondary --------------------------------------------------------------------------------


def test_secondary_exchange() -> None:
    layer = secondary()
    to_server(layer, 0x10, COMMAND + b"a", more=True)
    assert controls(layer) == [0x31], "a segment is acknowledged at once"
    to_server(layer, 0x12, b"sk")
    assert controls(layer) == [], "the layer above may answer"
    assert layer.deadline == pytest.approx(0.2)
    assert [what for what in events(layer) if type(what) is Deliver] == [Deliver(To(LINK, b"ask"))]
    layer.send(To(LINK, bytes(130)), 0.0)
    (frame,) = sent(layer)
    assert (frame.control, frame.segmented, len(frame.information)) == (0x50, True, 128)
    to_server(layer, 0x31)
    (frame,) = sent(layer)
    assert (frame.control, frame.segmented, len(frame.information)) == (0x52, False, 5)


def test_secondary_gives_the_turn_back_without_an_answer() -> None:
    layer = secondary()
    to_server(layer, 0x10, COMMAND + b"ask")
    layer.wake(0.1)
    assert controls(layer, 0.1) == []
    layer.wake(0.2)
    assert controls(layer, 0.2) == [0x31]
    layer.send(To(LINK, b"late"), 1.0)
    assert controls(layer, 1.0) == [], "not polled"
    to_server(layer, 0x11, now=2.0)
    assert controls(layer, 2.0) == [0x30]


def test_secondary_takes_nothing_twice() -> None:
    layer = secondary()
    for _ in range(2):
        to_server(layer, 0x10, COMMAND + b"ask")
    assert controls(layer) == [0x31]
    to_server(layer, 0x14, COMMAND + b"too early")
    assert controls(layer) == [0x31]
    assert len([what for what in events(layer) if type(what) is Deliver]) == 1


def test_secondary_repeats_until_acknowledged() -> None:
    layer = secondary()
    to_server(layer, 0x10, COMMAND + b"ask")
    layer.send(To(LINK, b"answer"), 0.0)
    assert controls(layer) == [0x30]
    to_server(layer, 0x10, COMMAND + b"ask")
    assert controls(layer) == [0x30]
    to_server(layer, 0x31)
    layer.wake(9.0)
    assert controls(layer) == [0x31]


def test_secondary_does_not_send_to_a_busy_client() -> None:
    layer = secondary()
    to_server(layer, 0x10, COMMAND + b"ask")
    layer.send(To(LINK, b"answer"), 0.0)
    to_server(layer, 0x15)
    assert controls(layer) == [0x31]
    to_server(layer, 0x11)
    assert controls(layer) == [0x30]


def test_secondary_negotiates() -> None:
    layer = Secondary(parameters=Parameters(62, 500, 1, 7))
    layer.open(0.0)
    to_server(layer, 0x93, Parameters(2030, 128, 7, 7).to_octets())
    (frame,) = sent(layer)
    assert frame.control == 0x73
    assert Parameters.from_octets(frame.information) == Parameters(62, 500, 1, 7)
    link = layer.link(LINK)
    assert link is not None
    assert link.agreed == Parameters(62, 500, 1, 7)


def test_secondary_without_a_link() -> None:
    layer = Secondary()
    layer.open(0.0)
    for control in (0x53, 0x11, 0x10):
        to_server(layer, control, COMMAND if control == 0x10 else b"")
        assert controls(layer) == [0x1F]
    to_server(layer, 0x01)
    to_server(layer, 0x1F)
    assert controls(layer) == []
    layer.send(To(LINK, b"nobody"), 0.0)
    assert type(events(layer)[0]) is Failed
    assert sent(layer) == []


def test_secondary_disconnects_and_connects_again() -> None:
    layer = secondary()
    to_server(layer, 0x53)
    assert controls(layer) == [0x73]
    assert events(layer) == [Closed()]
    assert layer.deadline is None
    to_server(layer, 0x53)
    assert controls(layer) == [0x1F]
    to_server(layer, 0x93)
    assert controls(layer) == [0x73]
    assert events(layer) == [Opened()]


def test_a_repeated_snrm_is_answered_again_a_later_one_starts_anew() -> None:
    layer = secondary()
    to_server(layer, 0x93)
    assert controls(layer) == [0x73]
    assert events(layer) == []
    to_server(layer, 0x10, COMMAND + b"ask")
    events(layer)
    to_server(layer, 0x93)
    assert events(layer) == [Closed()]
    assert controls(layer) == [0x73]
    assert events(layer) == [Opened()]
    to_server(layer, 0x10, COMMAND + b"ask")
    assert [what for what in events(layer) if type(what) is Deliver] == [Deliver(To(LINK, b"ask"))]


OTHER = b"\x05"  # client 2
OTHER_LINK = Addresses(2, 1)


def to_server_of(client: bytes, layer: Any, control: int, information: bytes = b"") -> None:
    layer.receive(Frame(SERVER, client, control, information).to_octets(), 0.0)


def two_links(**options: Any) -> Secondary:
    layer = secondary(**options)
    to_server_of(OTHER, layer, 0x93)
    assert sent(layer) == [Frame(OTHER, SERVER, 0x73)]
    assert events(layer) == [Opened()]
    return layer


def test_each_client_has_its_own_link_and_numbers() -> None:
    layer = two_links()
    for number in range(3):
        to_server(layer, 0x10 | number << 5 | number << 1, COMMAND + b"first")
        assert Deliver(To(LINK, b"first")) in events(layer)
        layer.send(To(LINK, b"yes"), 0.0)
        (frame,) = sent(layer)
        assert (frame.destination, frame.control) == (CLIENT, 0x10 | number + 1 << 5 | number << 1)
    to_server_of(OTHER, layer, 0x10, COMMAND + b"second")
    assert Deliver(To(OTHER_LINK, b"second")) in events(layer)
    layer.send(To(OTHER_LINK, b"no"), 0.0)
    assert sent(layer) == [Frame(OTHER, SERVER, 0x30, RESPONSE + b"no")]


def test_an_answer_waits_for_the_poll_of_its_own_client() -> None:
    layer = two_links()
    layer.send(To(LINK, b"late"), 0.0)
    to_server_of(OTHER, layer, 0x11)
    layer.wake(0.2)
    assert sent(layer, 0.2) == [Frame(OTHER, SERVER, 0x11)]
    to_server(layer, 0x11, now=0.3)
    assert sent(layer, 0.3) == [Frame(CLIENT, SERVER, 0x10, RESPONSE + b"late")]


def test_the_end_of_one_link_among_others() -> None:
    layer = two_links()
    to_server(layer, 0x93)  # nothing numbered came: a repetition, not a restart
    assert controls(layer) == [0x73]
    assert events(layer) == []
    to_server(layer, 0x11)
    layer.wake(0.2)
    assert controls(layer, 0.2) == [0x11]
    to_server(layer, 0x93)
    assert events(layer) == [Ended(LINK)]
    assert controls(layer) == [0x73]
    assert events(layer) == [Opened()]
    to_server(layer, 0x53)
    assert controls(layer) == [0x73]
    assert events(layer) == [Ended(LINK)]
    to_server(layer, 0x11)
    assert controls(layer) == [0x1F], "no link any more"
    to_server_of(OTHER, layer, 0x53)
    assert controls(layer) == [0x73]
    assert events(layer) == [Closed()], "the last one"


def test_each_link_has_its_own_clock() -> None:
    layer = two_links(inactivity_timeout_s=30.0)
    to_server(layer, 0x01, now=20.0)
    layer.wake(30.0)
    (ended,) = events(layer)
    assert ended.address == OTHER_LINK
    assert type(ended.error) is LineError
    assert layer.deadline == 50.0
    layer.wake(50.0)
    (closed,) = events(layer)
    assert type(closed) is Closed


def test_a_client_that_rejects_nobody_else() -> None:
    layer = two_links()
    to_server(layer, 0xBF)
    assert controls(layer) == [0x97]
    events(layer)
    to_server_of(OTHER, layer, 0x10, COMMAND + b"ask")
    assert Deliver(To(OTHER_LINK, b"ask")) in events(layer)


def test_links_are_bounded_and_so_is_what_waits_for_a_client() -> None:
    layer = two_links(most_links=2)
    to_server_of(b"\x07", layer, 0x93)
    assert controls(layer) == [0x1F]
    (failed,) = events(layer)
    assert "2 links are open" in str(failed.error)
    to_server(layer, 0x53)
    assert controls(layer) == [0x73]
    to_server_of(b"\x07", layer, 0x93)
    assert controls(layer) == [0x73]
    events(layer)
    for _ in range(20):
        layer.send(To(OTHER_LINK, bytes(100)), 0.0)
    assert "fetches no answers" in str(events(layer)[-1].error)
    assert layer.room, "for the other client"


def test_a_client_that_comes_back_by_a_longer_address_has_one_link() -> None:
    layer = secondary()
    layer.receive(Frame(b"\x02\x23", CLIENT, 0x93).to_octets(), 0.0)
    assert events(layer) == [Closed()]
    assert controls(layer) == [0x73]
    to_server(layer, 0x11)
    assert controls(layer) == [0x1F], "the link by the short address is over"


def test_a_stack_above_hears_of_a_restart_in_order() -> None:
    from bad_line import Answerer

    stack = over(Answerer(10, random.Random(0)), Secondary())
    stack.open(0.0)
    heard = []
    for control, information in ((0x93, b""), (0x10, COMMAND + b"a"), (0x93, b""), (0x53, b"")):
        to_server(stack, control, information)
        heard += [type(what) for what in events(stack) if type(what) is not Progress]
        while stack.transmit(0.0) is not None:
            heard += [type(what) for what in events(stack) if type(what) is not Progress]
    assert heard == [Opened, Closed, Opened, Closed]


def test_disc_and_snrm_in_one_chunk() -> None:
    layer = secondary()
    octets = Frame(SERVER, CLIENT, 0x53).to_octets() + Frame(SERVER, CLIENT, 0x93).to_octets()
    layer.receive(octets, 0.0)
    assert events(layer) == [Closed()]
    assert controls(layer) == [0x73]
    assert events(layer) == [Opened()]


@pytest.mark.parametrize(
    ("control", "information", "rejection"),
    [
        (0xBF, b"", "bf2001"),
        (0x1D, b"", "1d2001"),
        (0x31, b"x", "312003"),
        (0x32, bytes(129), "322004"),
        (0x32 | 0x60, COMMAND, "722008"),
        (0xF1, b"", "f12008"),
    ],
)
def test_secondary_rejects_until_the_link_is_made_anew(
    control: int, information: bytes, rejection: str
) -> None:
    layer = secondary()
    to_server(layer, 0x00, COMMAND + b"ask")
    events(layer)
    to_server(layer, control & ~0x10 if control in {0x32, 0x72} else control, information)
    if control in {0x32, 0x72}:
        assert controls(layer) == [], "not polled"
        rejection = f"{control & ~0x10:02x}{rejection[2:]}"
        to_server(layer, 0x31)
    for _ in range(2):
        (frame,) = sent(layer)
        assert (frame.control, frame.information.hex()) == (0x97, rejection)
        to_server(layer, 0x31)
    (failed,) = events(layer)
    assert type(failed.error) is SequenceError
    assert sent(layer)[0].control == 0x97
    to_server(layer, 0x93)
    assert events(layer) == [Closed()]
    assert controls(layer) == [0x73]
    assert events(layer) == [Opened()]
    to_server(layer, 0x10, COMMAND + b"ask")
    assert Deliver(To(LINK, b"ask")) in events(layer)


def test_secondary_ui_both_ways() -> None:
    layer = Secondary(physical=17)
    layer.open(0.0)
    layer.receive(Frame(b"\xfe\xff", CLIENT, 0x03, COMMAND + b"all").to_octets(), 0.0)
    layer.receive(Frame(b"\x02\x23", CLIENT, 0x13, COMMAND + b"one").to_octets(), 0.0)
    assert events(layer) == [
        Deliver(To(Addresses(16, ALL_STATIONS), b"all", confirmed=False)),
        Deliver(To(Addresses(16, 1), b"one", confirmed=False)),
    ]
    layer.send(To(Addresses(103, 1), b"push", confirmed=False), 0.0)
    assert sent(layer) == [Frame(b"\xcf", b"\x02\x23", 0x03, RESPONSE + b"push")]
    layer = secondary()
    layer.send(To(LINK, b"push", confirmed=False), 0.0)
    assert sent(layer) == [], "not polled"
    to_server(layer, 0x11)
    assert sent(layer) == [Frame(CLIENT, SERVER, 0x03, RESPONSE + b"push")]


def test_secondary_answers_to_its_own_addresses_only() -> None:
    layer = Secondary(physical=17, logical_devices=(1, 2))
    layer.open(0.0)
    for destination in ("0225", "0623", "feff", "02ff", "07"):
        layer.receive(Frame(bytes.fromhex(destination), CLIENT, 0x93).to_octets(), 0.0)
        assert sent(layer) == []
    for destination in ("0223", "00040023", "03"):
        layer.receive(Frame(bytes.fromhex(destination), CLIENT, 0x93).to_octets(), 0.0)
        assert [frame.source.hex() for frame in sent(layer)] == [destination]
    layer.receive(Frame(SERVER, b"\x02\x21", 0x93).to_octets(), 0.0)
    assert sent(layer) == []


def test_secondary_gives_up_an_inactive_link() -> None:
    layer = secondary(inactivity_timeout_s=30.0)
    assert layer.deadline == 30.0
    to_server(layer, 0x11, now=20.0)
    layer.wake(30.0)
    assert events(layer) == []
    layer.wake(50.0)
    (closed,) = events(layer)
    assert type(closed.error) is LineError
    assert layer.deadline is None
    assert secondary(inactivity_timeout_s=0.0).deadline is None


def test_secondary_bounds_what_it_puts_together() -> None:
    layer = secondary(limit=300)
    for number in range(4):
        to_server(layer, 0x10 | number << 1, COMMAND + bytes(120), more=number < 3)
    failed = [what for what in events(layer) if type(what) is Failed]
    assert "exceeds 300" in str(failed[0].error)
    to_server(layer, 0x18, COMMAND + b"good")
    assert Deliver(To(LINK, b"good")) in events(layer)


def test_a_closed_secondary_is_deaf() -> None:
    layer = secondary()
    layer.close(0.0)
    assert events(layer) == [Closed()]
    to_server(layer, 0x93)
    assert sent(layer) == []
    assert not layer.room
    with pytest.raises(UsageError):
        layer.send(To(LINK, b""), 0.0)


# -- both -------------------------------------------------------------------------------------


def test_states_change_by_their_tables_only() -> None:
    assert step(PRIMARY, State.NDM, Happening.CONNECT) is State.SETTING_MODE
    with pytest.raises(SequenceError):
        step(SECONDARY, State.NDM, Happening.POLL)
    for table in (PRIMARY, SECONDARY):
        for following in table.values():
            assert set(following.values()) <= set(table)


def test_profiles_build_links() -> None:
    client, server = HDLC.client_stack(16, 1, physical=17), HDLC.server_stack(physical=17)
    server.open(0.0)
    client.open(0.0)
    snrm = client.transmit(0.0)
    assert isinstance(snrm, bytes)
    server.receive(snrm, 0.0)
    ua = server.transmit(0.0)
    assert isinstance(ua, bytes)
    client.receive(ua, 0.0)
    assert events(client) == events(server) == [Opened()]
    with pytest.raises(UsageError):
        HDLC.client_stack(200, 1)


def test_no_octets_raise() -> None:
    chance = random.Random(5)
    stations = [primary(), secondary(), primary(parameters=Parameters(128, 128, 7, 7))]
    seeds = [0x10, 0x30, 0x11, 0x15, 0x73, 0x93, 0x53, 0x03, 0x13, 0x97, 0x19, 0x1F]
    for index in range(10_000):
        layer = stations[index % 3]
        ends = (SERVER, CLIENT) if index % 3 == 1 else (CLIENT, SERVER)
        control = chance.choice(seeds) | chance.randrange(8) << 5 | chance.randrange(8) << 1
        if chance.random() < 0.5:
            control = chance.choice(seeds)
        information = chance.choice((b"", COMMAND, RESPONSE)) + chance.randbytes(
            chance.randrange(9)
        )
        octets = bytearray(
            Frame(*ends, control & 0xFF, information, chance.random() < 0.2).to_octets()
        )
        if chance.random() < 0.2:
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        now = index / 10
        layer.receive(bytes(octets), now)
        events(layer)
        for _ in range(3):
            if layer.transmit(now, chance.random() < 0.5) is None:
                break
            events(layer)
        assert not layer.expects or layer.deadline is not None
        if layer.deadline is not None and layer.deadline <= now:
            layer.wake(now)
            events(layer)
        if chance.random() < 0.05:
            layer.open(now)
        if layer.room and chance.random() < 0.2:
            layer.send(To(LINK, b"x") if index % 3 == 1 else b"x", now)


def test_kinds_have_controls() -> None:
    assert {kind for kind in Kind if kind is not Kind.UNKNOWN} == {
        Frame(SERVER, CLIENT, kind.control).kind for kind in Kind if kind is not Kind.UNKNOWN
    }
