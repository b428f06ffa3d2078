"""The wrapper: any chunking, addresses, limits, datagrams, bad input."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, LineError, SequenceError, UsageError
from ferraris.core.layer import Closed, Deliver, Failed, Opened, Progress, To
from ferraris.transport.addresses import ALL_STATIONS, Addresses
from ferraris.transport.profiles import TCP, UDP
from ferraris.transport.wrapper import WrapperClient, WrapperServer, pack, unpack


def events(layer: Any) -> list[Any]:
    found = []
    while (what := layer.event()) is not None:
        found.append(what)
    return found


def opened(layer: Any) -> Any:
    layer.open(0.0)
    assert events(layer) == [Opened()]
    return layer


def test_header_as_published() -> None:
    assert pack(16, 1, b"\xc0\x01").hex() == "0001001000010002c001"
    assert unpack(bytes.fromhex("0001001000010002c001")) == (16, 1, b"\xc0\x01")


def test_request_and_reply() -> None:
    client, server = opened(WrapperClient(16, 1)), opened(WrapperServer())
    client.send(b"ask", 0.0)
    server.receive(client.transmit(0.0), 0.0)
    assert events(server) == [Deliver(To(Addresses(16, 1), b"ask"))]
    server.send(To(Addresses(16, 1), b"answer"), 0.0)
    client.receive(server.transmit(0.0), 0.0)
    assert events(client) == [Deliver(b"answer")]
    assert client.transmit(0.0) is None


def test_several_clients_share_a_line() -> None:
    server = opened(WrapperServer())
    server.receive(pack(16, 1, b"a") + pack(1, 2, b"b") + pack(1, ALL_STATIONS, b"c"), 0.0)
    assert [what.unit for what in events(server)] == [
        To(Addresses(16, 1), b"a"),
        To(Addresses(1, 2), b"b"),
        To(Addresses(1, ALL_STATIONS), b"c", confirmed=False),
    ]


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.lists(st.integers(1, 60), max_size=20),
)
def test_any_chunking_is_the_same(apdus: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(pack(1, 16, apdu) for apdu in apdus)
    pieces, start = [], 0
    for cut in cuts:
        pieces.append(octets[start : start + cut])
        start += cut
    pieces.append(octets[start:])
    for way in (pieces, [octets], [bytes([octet]) for octet in octets]):
        layer = opened(WrapperClient(16, 1))
        for piece in way:
            layer.receive(piece, 0.0)
        found = events(layer)
        assert [what.unit for what in found if type(what) is Deliver] == apdus
        assert all(type(what) in {Deliver, Progress} for what in found)


def test_parts_are_progress() -> None:
    layer = opened(WrapperClient(16, 1))
    layer.receive(pack(1, 16, b"abc")[:9], 0.0)
    assert events(layer) == [Progress()]


def test_other_addresses_are_not_delivered() -> None:
    layer = opened(WrapperClient(16, 1))
    layer.receive(pack(1, 17, b"abc") + pack(2, 16, b"abc") + pack(1, 16, b"ours"), 0.0)
    wrong, also_wrong, right = events(layer)
    assert type(wrong) is Failed
    assert type(wrong.error) is SequenceError
    assert wrong.ref is None
    assert type(also_wrong) is Failed
    assert right == Deliver(b"ours")


@pytest.mark.parametrize("octets", ["0002001000010000", "ff", "0000", "7ea0070321930f017e"])
def test_a_stream_without_a_header_closes(octets: str) -> None:
    layer = opened(WrapperClient(16, 1))
    layer.receive(bytes.fromhex(octets), 0.0)
    (closed,) = events(layer)
    assert type(closed) is Closed
    assert type(closed.error) is DecodeError
    assert not layer.room
    layer.receive(pack(1, 16, b"abc"), 0.0)
    assert events(layer) == []
    opened(layer)


@pytest.mark.parametrize("size", [11, 200])
def test_too_long_closes_before_the_octets_come(size: int) -> None:
    layer = opened(WrapperClient(16, 1, limit=10))
    layer.receive(pack(1, 16, bytes(size))[:9], 0.0)
    (closed,) = events(layer)
    assert "limit of 10" in str(closed.error)
    layer = opened(WrapperClient(16, 1, limit=10))
    layer.receive(pack(1, 16, bytes(size)), 0.0)
    assert type(events(layer)[0]) is Closed


def test_a_line_that_closes_mid_unit() -> None:
    layer = opened(WrapperClient(16, 1))
    layer.receive(pack(1, 16, b"abc")[:-1], 0.0)
    layer.notice(Closed(), 0.0)
    _, closed = events(layer)
    assert type(closed.error) is LineError
    layer = opened(WrapperClient(16, 1))
    layer.notice(Closed(), 0.0)
    assert events(layer) == [Closed()]


def test_datagrams_are_exactly_one_unit() -> None:
    layer = opened(UDP.client_stack(16, 1))
    whole = pack(1, 16, b"abc")
    for bad in (whole[:-1], whole + b"\0", whole + whole, b"", b"\0\2" + whole[2:]):
        layer.receive(bad, 0.0)
        (failed,) = events(layer)
        assert type(failed) is Failed
        assert type(failed.error) is DecodeError
    layer.receive(whole, 0.0)
    assert events(layer) == [Deliver(b"abc")]


def test_room_is_two_units() -> None:
    layer = WrapperClient(16, 1)
    with pytest.raises(UsageError):
        layer.send(b"", 0.0)
    opened(layer)
    layer.send(b"a", 0.0)
    layer.send(b"b", 0.0)
    assert not layer.room
    with pytest.raises(UsageError):
        layer.send(b"c", 0.0)
    layer.cancel(0.0)
    assert layer.transmit(0.0) is None
    with pytest.raises(UsageError):
        layer.send(bytes(65536), 0.0)
    with pytest.raises(UsageError):
        WrapperClient(16, 65536)


def test_close_and_open_again() -> None:
    layer = opened(TCP.server_stack())
    layer.close(0.0)
    layer.close(0.0)
    assert events(layer) == [Closed()]
    opened(layer)


def test_mutated_units_raise_only_decode_errors() -> None:
    chance = random.Random(1)
    for _ in range(10_000):
        octets = bytearray(pack(1, 16, chance.randbytes(chance.randrange(12))))
        for _ in range(chance.randrange(1, 4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        del octets[chance.randrange(len(octets) + 1) :]
        with contextlib.suppress(DecodeError):
            unpack(bytes(octets))
        layer = WrapperServer(limit=chance.randrange(100))
        layer.open(0.0)
        layer.receive(bytes(octets), 0.0)
