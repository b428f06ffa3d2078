"""Busy stations, echoes, rejections, late answers, half frames, nonsense in negotiation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_hdlc_stations import (
    CLIENT,
    COMMAND,
    LINK,
    RESPONSE,
    SERVER,
    controls,
    events,
    primary,
    secondary,
    sent,
    to_client,
    to_server,
)

from ferraris.core.errors import DecodeError, IncompatibleError, LineError, SequenceError
from ferraris.core.layer import Closed, Deliver, Failed, Opened, Progress, To
from ferraris.transport.addresses import Addresses
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.reject import Reason, Rejection, words_of_rejection
from ferraris.transport.hdlc.secondary import Secondary


def delivered(layer: Any) -> list[Any]:
    return [what.unit for what in events(layer) if type(what) is Deliver]


# -- no room above ----------------------------------------------------------------------------


def test_a_busy_secondary_takes_nothing_until_it_has_room() -> None:
    layer = secondary()
    layer.hold(0.0)
    assert layer.holding
    to_server(layer, 0x10, COMMAND + b"ask")
    assert controls(layer) == [0x15], "RNR, and nothing acknowledged"
    to_server(layer, 0x11)
    layer.wake(0.2)
    assert controls(layer, 0.2) == [0x15]
    assert delivered(layer) == []
    layer.release(1.0)
    to_server(layer, 0x11, now=1.0)
    layer.wake(1.2)
    assert controls(layer, 1.2) == [0x11]
    to_server(layer, 0x10, COMMAND + b"ask", now=2.0)
    assert delivered(layer) == [To(LINK, b"ask")]


def test_a_busy_secondary_still_answers() -> None:
    layer = secondary()
    to_server(layer, 0x10, COMMAND + b"ask")
    layer.hold(0.0)
    layer.send(To(LINK, b"answer"), 0.0)
    assert controls(layer) == [0x20, 0x35], "its information, then RNR with the final bit"


def test_a_busy_primary_polls_with_rnr_and_recalls_it() -> None:
    layer = primary(poll_interval_s=0.5)
    layer.send(b"ask", 0.0)
    layer.hold(0.0)
    assert controls(layer) == [0x00, 0x15]
    to_client(layer, 0x30, RESPONSE + b"answer")
    assert delivered(layer) == [], "refused"
    assert controls(layer, 0.1, expecting=True) == []
    assert controls(layer, 0.6, expecting=True) == [0x15]
    to_client(layer, 0x31, now=0.6)
    layer.release(0.7)
    assert controls(layer, 0.7) == [0x11], "at once"
    to_client(layer, 0x30, RESPONSE + b"answer", now=0.8)
    assert delivered(layer) == [b"answer"]


def test_units_that_nobody_fetches_make_a_station_busy() -> None:
    layer = secondary(parameters=Parameters(128, 128, 7, 7))
    for number in range(20):
        to_server(layer, 0x10 | (number % 8) << 1, COMMAND + b"ask")
        unfetched = sum(type(what) is Deliver for what in layer._up)
        assert unfetched <= 16
        while layer.transmit(0.0) is not None:
            pass
    assert layer.holding
    assert len(delivered(layer)) == 16
    assert not layer.holding


@pytest.mark.parametrize("recall", [0x11, 0x19])
def test_rnr_of_the_device_stops_data_but_not_polls(recall: int) -> None:
    layer = primary(poll_interval_s=0.5, max_tries=3)
    layer.send(b"ask", 0.0)
    assert controls(layer) == [0x10]
    for second in range(1, 10):
        to_client(layer, 0x15, now=second)
        assert controls(layer, second) == []
        assert layer.deadline == second + 0.5
        assert controls(layer, second + 0.5) == [0x11]
    assert not [what for what in events(layer) if type(what) is Closed], "busy, not silent"
    to_client(layer, recall, now=10.0)
    assert controls(layer, 10.0) == [0x10]


def test_rej_is_obeyed() -> None:
    layer = primary(parameters=Parameters(128, 128, 7, 7))
    layer = Primary(16, 1, parameters=Parameters(32, 128, 7, 7))
    layer.open(0.0)
    sent(layer)
    to_client(layer, 0x73, Parameters(128, 32, 7, 7).to_octets())
    layer.send(bytes(100), 0.0)
    assert controls(layer) == [0x00, 0x02, 0x04, 0x16]
    to_client(layer, 0x39)
    assert controls(layer) == [0x02, 0x04, 0x16], "from N(R) on"
    meter = secondary(parameters=Parameters(128, 128, 7, 7))
    to_server(meter, 0x10, COMMAND + b"ask")
    meter.send(To(LINK, b"answer"), 0.0)
    assert controls(meter) == [0x30]
    to_server(meter, 0x19)
    assert controls(meter) == [0x30]


# -- rejections -------------------------------------------------------------------------------


@given(st.integers(0, 255), st.integers(0, 7), st.integers(0, 7), st.integers(0, 15), st.booleans())
def test_rejections_both_ways(control: int, sent: int, heard: int, why: int, back: bool) -> None:
    rejection = Rejection(control, sent, heard, Reason(why), back)
    assert Rejection.from_octets(rejection.to_octets()) == rejection


def test_rejections_in_words() -> None:
    assert words_of_rejection(bytes.fromhex("322204")) == (
        "the frame with control 32 is rejected: its information field is too long (V(S) 1, V(R) 1)"
    )
    assert "must not carry information" in words_of_rejection(bytes.fromhex("310003"))
    assert "no reason given" in words_of_rejection(bytes(3))
    assert "2 octets instead of the 3" in words_of_rejection(bytes(2))
    layer = primary()
    to_client(layer, 0x97, bytes.fromhex("100008"))
    (closed,) = events(layer)
    assert type(closed.error) is IncompatibleError
    assert "acknowledges what was not sent" in str(closed.error)


def test_a_device_that_acknowledges_what_was_not_sent() -> None:
    layer = primary(max_tries=2)
    layer.send(b"ask", 0.0)
    assert controls(layer) == [0x10]
    to_client(layer, 0x70, RESPONSE + b"x")
    assert controls(layer) == [0x11], "asks again"
    to_client(layer, 0x71)
    found = [what for what in events(layer) if type(what) is not Progress]
    assert [type(what) for what in found] == [Failed, Failed, Closed]
    assert type(found[0].error) is SequenceError
    assert "N(R) 3 acknowledges what was not sent" in str(found[0].error)


# -- negotiation ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "agreed"),
    [
        ("", DEFAULT),
        ("818000", DEFAULT),
        ("818003060120", Parameters(32, 128, 1, 1)),
        ("8180060501400601ff", Parameters(255, 64, 1, 1)),
        ("81800405020100", Parameters(128, 256, 1, 1)),
        ("81800a0702000308040000ffff", Parameters(128, 128, 7, 3)),
        ("81800a0504ffffffff0602ffff", Parameters(500, 600, 1, 1)),
        ("81810105800306012081", None),
        ("818003050100", None),
        ("8180030500", None),
        ("80", None),
    ],
)
def test_what_a_ua_may_say(stated: str, agreed: Parameters | None) -> None:
    layer = Primary(16, 1, parameters=Parameters(500, 600, 7, 7))
    layer.open(0.0)
    sent(layer)
    to_client(layer, 0x73, bytes.fromhex(stated))
    (what,) = events(layer)
    if agreed is None:
        assert type(what.error) is DecodeError
        assert layer.deadline is None
    else:
        assert what == Opened()
        assert layer.agreed == agreed


def test_nonsense_in_snrm_is_refused_and_named() -> None:
    layer = Secondary()
    layer.open(0.0)
    to_server(layer, 0x93, bytes.fromhex("818003050100"))
    assert controls(layer) == [0x1F]
    (failed,) = events(layer)
    assert type(failed.error) is DecodeError
    layer = secondary()
    to_server(layer, 0x93, b"\x80")
    assert controls(layer) == [0x1F]
    assert [type(what) for what in events(layer)] == [Failed, Closed]


# -- echoes -----------------------------------------------------------------------------------


def exchange(client_sap: int, mangle: Any) -> tuple[list[Any], list[Any]]:
    """Two exchanges over a line that echoes to both; `mangle` makes the echo of a frame."""
    client, meter = Primary(client_sap, 1), Secondary()
    told: tuple[list[Any], list[Any]] = ([], [])
    meter.open(0.0)
    client.open(0.0)
    now, asked = 0.0, 0
    for _ in range(400):
        now += 0.01
        ends = ((client, meter, told[0]), (meter, client, told[1]))
        for end, other, found in ends:
            if end.deadline is not None and end.deadline <= now:
                end.wake(now)
            octets = end.transmit(now, end is client and asked > len(delivered_of(told[0])))
            if isinstance(octets, bytes):
                end.receive(mangle(octets), now)
                other.receive(octets, now + 0.05)
            for layer, heard in ((end, found), (other, told[0] if other is client else told[1])):
                for what in events(layer):
                    heard.append(what)
                    if type(what) is Deliver and layer is meter:
                        meter.send(To(what.unit.address, b"answer to " + what.unit.unit), now)
        if client.room and asked == len(delivered_of(told[0])) < 3:
            client.send(b"%d" % asked, now)
            asked += 1
    return told


def delivered_of(found: list[Any]) -> list[Any]:
    return [what.unit for what in found if type(what) is Deliver]


@pytest.mark.parametrize("client_sap", [16, 1])
@pytest.mark.parametrize("part", ["whole", "first half", "second half"])
def test_an_echo_is_no_answer(client_sap: int, part: str) -> None:
    """Client 1 and server 1 have the same address octet: an RR of one looks like the other's."""

    def mangle(octets: bytes) -> bytes:
        half = len(octets) // 2
        return {"whole": octets, "first half": octets[:half], "second half": octets[half:]}[part]

    client, meter = exchange(client_sap, mangle)
    assert delivered_of(client) == [b"answer to 0", b"answer to 1", b"answer to 2"]
    assert [unit.unit for unit in delivered_of(meter)] == [b"0", b"1", b"2"]
    assert not [what for what in client + meter if type(what) in {Failed, Closed}]


# -- half frames, late answers, strangers -----------------------------------------------------


def test_half_a_frame_hides_the_next_no_longer_than_a_pause() -> None:
    layer = primary(inter_octet_timeout_s=0.1)
    layer.send(b"ask", 0.0)
    sent(layer)
    layer.receive(b"~\xa7\xff\x03", 0.2)
    to_client(layer, 0x30, RESPONSE + b"answer", now=0.25)
    assert delivered(layer) == []
    assert layer.deadline == pytest.approx(0.35)
    layer.wake(0.35)
    assert delivered(layer) == [b"answer"]
    meter = Secondary(inter_octet_timeout_s=0.1)
    meter.open(0.0)
    meter.receive(b"~\xa7\xff", 0.0)
    to_server(meter, 0x93, now=0.05)
    meter.wake(0.16)
    assert controls(meter, 0.16) == [0x73]


@pytest.mark.parametrize("window", [1, 7])
def test_a_late_answer_belongs_to_its_own_question(window: int) -> None:
    """Every answer of the device comes after the time-out: each still ends its own exchange."""
    parameters = Parameters(128, 128, window, window)
    client = Primary(16, 1, parameters=parameters, response_timeout_s=1.0, max_tries=5)
    meter = Secondary(parameters=parameters)
    meter.open(0.0)
    client.open(0.0)
    answers: list[bytes] = []
    on_the_way: list[tuple[float, bytes]] = []
    asked, now = 0, 0.0
    while len(answers) < 5 and now < 200:
        now = round(now + 0.1, 1)
        while on_the_way and on_the_way[0][0] <= now:
            client.receive(on_the_way.pop(0)[1], now)
        for layer in (client, meter):
            if layer.deadline is not None and layer.deadline <= now:
                layer.wake(now)
        if client.room and asked == len(answers):
            client.send(b"question %d" % asked, now)
            asked += 1
        while isinstance(octets := client.transmit(now, asked > len(answers)), bytes):
            meter.receive(octets, now)
        for unit in delivered(meter):
            meter.send(To(unit.address, b"answer to " + unit.unit), now)
        while (octets := meter.transmit(now)) is not None:
            on_the_way.append((now + 1.5, octets))
        answers += delivered(client)
    assert answers == [b"answer to question %d" % number for number in range(5)]


def test_a_push_before_the_answer_takes_its_own_time() -> None:
    layer = primary()
    layer.send(b"ask", 0.0)
    assert controls(layer) == [0x10]
    to_client(layer, 0x03, RESPONSE + b"push", now=2.9)
    assert layer.deadline == pytest.approx(5.9)
    to_client(layer, 0x30, RESPONSE + b"answer", now=5.0)
    assert delivered(layer) == [b"push", b"answer"]


def test_what_another_master_hears_is_not_ours() -> None:
    layer = primary()
    layer.send(b"ask", 0.0)
    sent(layer)
    events(layer)
    for frame in (
        Frame(SERVER, b"\x41", 0x10, COMMAND + b"theirs"),
        Frame(b"\x41", SERVER, 0x30, RESPONSE + b"theirs"),
        Frame(b"\x05", b"\x41", 0x93),
        Frame(b"\x41", b"\x05", 0x73),
    ):
        layer.receive(frame.to_octets(), 0.5)
    assert events(layer) == []
    layer.receive(Frame(CLIENT, b"\x05", 0x30, RESPONSE + b"wrong").to_octets(), 0.6)
    (failed,) = events(layer)
    assert "a frame from 05, not 03" in str(failed.error)
    to_client(layer, 0x30, RESPONSE + b"ours", now=0.7)
    assert delivered(layer) == [b"ours"]


def test_a_calling_device_and_its_bus() -> None:
    for calling in (True, False):
        layer = Secondary(physical=17, calling=calling)
        layer.open(0.0)
        for destination in ("02fd", "0002fefd"):
            layer.receive(Frame(bytes.fromhex(destination), CLIENT, 0x93).to_octets(), 0.0)
            answered = [frame.source.hex() for frame in sent(layer)]
            assert answered == ([destination] if calling else [])
        for nobody in ("01", "0201", "0023", "00000023"):
            layer.receive(Frame(bytes.fromhex(nobody), CLIENT, 0x93).to_octets(), 0.0)
            assert sent(layer) == []
    number_127 = Secondary(physical=127)
    number_127.open(0.0)
    number_127.receive(Frame(bytes.fromhex("000200ff"), CLIENT, 0x93).to_octets(), 0.0)
    assert [frame.control for frame in sent(number_127)] == [0x73], "a device like others"


def test_a_long_answer_is_no_inactivity() -> None:
    layer = secondary(inactivity_timeout_s=30.0)
    to_server(layer, 0x10, COMMAND + b"ask")
    layer.send(To(LINK, b"answer"), 0.0)
    assert controls(layer, 20.0) == [0x30]
    layer.wake(30.0)
    assert layer.deadline == 50.0
    layer.wake(50.0)
    assert type(events(layer)[-1].error) is LineError


# -- chunks -----------------------------------------------------------------------------------

FRAMES = st.sampled_from(
    [
        (0x10, RESPONSE + b"one", False),
        (0x32, RESPONSE + b"two", True),
        (0x34, b"more", False),
        (0x11, b"", False),
        (0x15, b"", False),
        (0x13, RESPONSE + b"push", False),
        (0x03, RESPONSE + b"long", True),
        (0x13, b" push", False),
        (0x71, b"", False),
        (0xBF, b"", False),
        (0x97, b"abc", False),
        (0x1F, b"", False),
    ]
)


@given(
    st.lists(FRAMES, max_size=8),
    st.lists(st.sampled_from([b"", b"~", b"~~", b"noise", b"~\xa7\x01", b"~\xa0\x08"]), max_size=8),
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.booleans(),
)
def test_any_chunks_of_the_same_octets_are_the_same_events(
    frames: list[tuple[int, bytes, bool]], noise: list[bytes], sizes: list[int], client: bool
) -> None:
    octets = b""
    for index, (control, information, more) in enumerate(frames):
        octets += noise[index] if index < len(noise) else b""
        if not client:
            information = information.replace(RESPONSE, COMMAND)
        ends = (CLIENT, SERVER) if client else (SERVER, CLIENT)
        octets += Frame(*ends, control, information, more).to_octets()
    told = []
    for chunks in ([len(octets) or 1], [1], sizes):
        layer: Any = primary() if client else secondary()
        found, start, turn = [], 0, 0
        while start < len(octets):
            size = chunks[turn % len(chunks)]
            layer.receive(octets[start : start + size], 0.0)
            found += events(layer)
            start, turn = start + size, turn + 1
        layer.wake(0.5)
        found += events(layer)
        told.append([repr(what) for what in found if type(what) is not Progress])
        link = layer if client else layer.link(Addresses(16, 1))
        told[-1].append(repr(link and (link._state if client else link.state)))
    assert told[0] == told[1] == told[2]
