"""Units in UI frames: one frame or several, to one station or to all, and the other way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.core.layer import Closed, Deliver, Failed, Opened, To
from ferraris.transport.addresses import ALL_STATIONS, Addresses
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame, Kind, parse
from ferraris.transport.hdlc.parameters import Parameters
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.secondary import Secondary
from ferraris.transport.hdlc.unconfirmed import Unconfirmed, unconfirmed_frames

SERVER, CLIENT = b"\x03", b"\x21"
COMMAND, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"


def frames(octets: list[bytes]) -> list[Frame]:
    return [parse(content) for content in Deframer().feed(b"".join(octets), 0.0)]


def leaving(layer: Any) -> list[bytes]:
    found = []
    while (unit := layer.transmit(0.0)) is not None:
        found.append(unit)
    return found


def events(layer: Any) -> list[Any]:
    found = []
    while (what := layer.event()) is not None:
        found.append(what)
    return found


@given(st.binary(max_size=700), st.integers(4, 200))
def test_what_is_cut_is_put_together(apdu: bytes, size: int) -> None:
    found = frames(unconfirmed_frames(CLIENT, SERVER, RESPONSE, apdu, size))
    assert [frame.segmented for frame in found] == [True] * (len(found) - 1) + [False]
    assert all(frame.kind is Kind.UI and len(frame.information) <= size for frame in found)
    whole = Unconfirmed(RESPONSE, 1000)
    assert [whole.add(frame) for frame in found] == [None] * (len(found) - 1) + [apdu]


def test_a_lost_end_spoils_one_unit_only() -> None:
    first = frames(unconfirmed_frames(CLIENT, SERVER, RESPONSE, bytes(300)))
    second = frames(unconfirmed_frames(CLIENT, SERVER, RESPONSE, b"second" * 50))
    whole = Unconfirmed(RESPONSE, 1000)
    assert [whole.add(frame) for frame in first[:2] + second] == [None] * 4 + [b"second" * 50]


def test_a_lost_beginning_is_named() -> None:
    found = frames(unconfirmed_frames(CLIENT, SERVER, RESPONSE, bytes(300)))
    whole = Unconfirmed(RESPONSE, 1000)
    with pytest.raises(DecodeError, match="nothing to go on with"):
        whole.add(found[1])


def test_senders_are_not_mixed() -> None:
    one = frames(unconfirmed_frames(CLIENT, SERVER, RESPONSE, b"1" * 300))
    two = frames(unconfirmed_frames(CLIENT, b"\x05", RESPONSE, b"2" * 100))
    whole = Unconfirmed(RESPONSE, 1000)
    assert whole.add(one[0]) is None
    assert whole.add(two[0]) == b"2" * 100
    with pytest.raises(DecodeError):
        whole.add(one[1])


def test_a_unit_beyond_the_limit() -> None:
    whole = Unconfirmed(RESPONSE, 200)
    found = frames(unconfirmed_frames(CLIENT, SERVER, RESPONSE, bytes(300)))
    assert [whole.add(frame) for frame in found[:-1]] == [None, None]
    with pytest.raises(DecodeError, match="exceeds 200"):
        whole.add(found[-1])


@pytest.mark.parametrize(
    ("physical", "length", "destination"),
    [(None, None, "ff"), (0x7F, 2, "feff"), (0x3FFF, 4, "fefefeff")],
)
def test_a_long_broadcast_reaches_all(physical: int | None, length: int, destination: str) -> None:
    client = Primary(16, ALL_STATIONS, physical=physical, address_length=length)
    meters = [Secondary(physical=17 + number) for number in range(5)]
    client.open(0.0)
    assert events(client) == [Opened()]
    assert client.room
    client.send(bytes(range(250)) * 2, 0.0)
    assert not client.room
    octets = leaving(client)
    assert client.room
    assert {frame.destination.hex() for frame in frames(octets)} == {destination}
    assert len(octets) == 4
    for meter in meters:
        meter.open(0.0)
        for unit in octets:
            meter.receive(unit, 0.0)
        unit = To(Addresses(16, ALL_STATIONS), bytes(range(250)) * 2, confirmed=False)
        assert events(meter) == [Deliver(unit)]
        assert leaving(meter) == [], "nobody answers what everybody hears"
    client.close(0.0)
    assert events(client) == [Closed()]


def test_a_long_push_without_a_link() -> None:
    meter, client = (
        Secondary(physical=17, address_length=4),
        Primary(103, 1, physical=17, address_length=4),
    )
    meter.open(0.0)
    push = bytes(range(200)) * 3
    meter.send(To(Addresses(103, 1), push, confirmed=False), 0.0)
    octets = leaving(meter)
    assert [len(frame.information) for frame in frames(octets)] == [128] * 4 + [91]
    for unit in octets:
        client.receive(unit, 0.0)
    assert events(client) == [Deliver(push)]


def test_a_push_within_a_link_uses_what_was_agreed_and_waits_for_the_turn() -> None:
    meter = Secondary(parameters=Parameters(500, 500, 1, 1))
    meter.open(0.0)
    snrm = Frame(SERVER, CLIENT, 0x93, Parameters(500, 500).to_octets())
    meter.receive(snrm.to_octets(), 0.0)
    leaving(meter)
    meter.send(To(Addresses(16, 1), bytes(600), confirmed=False), 0.0)
    assert leaving(meter) == []
    meter.receive(Frame(SERVER, CLIENT, 0x11).to_octets(), 0.0)
    assert [len(frame.information) for frame in frames(leaving(meter))] == [500, 103]
    assert not [what for what in events(meter) if type(what) is Failed]
