"""Captures: ours read by others, others read by us, and anything else refused."""

from __future__ import annotations

import io
import random
import struct

import dpkt
import pytest

from ferraris.core.errors import DecodeError, UsageError
from ferraris.core.pcapng import (
    LINK_ETHERNET,
    LINK_RAW_IP,
    LINK_USER0,
    Packet,
    interface_block,
    is_capture,
    packet_block,
    read_packets,
    section_block,
)

TIME = 1_700_000_000_123_456_789


def ours() -> bytes:
    return (
        section_block("ferraris", "a comment")
        + interface_block(LINK_RAW_IP, "ip")
        + interface_block(LINK_USER0, "serial", "said of it")
        + packet_block(0, TIME, b"abcde", comment="Grüße", inbound=True)
        + packet_block(1, TIME + 1, b"", inbound=False)
        + packet_block(0, TIME + 2, b"four")
    )


def test_what_is_written_is_read() -> None:
    assert list(read_packets(ours())) == [
        Packet(TIME, b"abcde", LINK_RAW_IP, "Grüße", True),
        Packet(TIME + 1, b"", LINK_USER0, "", False),
        Packet(TIME + 2, b"four", LINK_RAW_IP, "", None),
    ]


def test_a_foreign_reader_reads_ours() -> None:
    reader = dpkt.pcapng.Reader(io.BytesIO(ours()))
    found = [(stamp, octets) for stamp, octets in reader]
    assert [octets for _, octets in found] == [b"abcde", b"", b"four"]
    assert abs(found[0][0] - TIME / 1e9) < 1e-3
    assert reader.datalink() == LINK_RAW_IP


@pytest.mark.parametrize("writer", [dpkt.pcap.Writer, dpkt.pcapng.Writer])
def test_we_read_a_foreign_writer(writer: type) -> None:
    file = io.BytesIO()
    made = writer(file)
    made.writepkt(b"first", ts=1_700_000_000.5)
    made.writepkt(b"second!", ts=1_700_000_001)
    found = list(read_packets(file.getvalue()))
    assert [each.octets for each in found] == [b"first", b"second!"]
    assert found[0].link == LINK_ETHERNET
    assert abs(found[0].time_ns - 1_700_000_000_500_000_000) < 1_000_000


@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1_000), (0xA1B23C4D, 1)])
@pytest.mark.parametrize("order", "<>")
def test_old_captures_of_both_orders_and_both_units(order: str, magic: int, unit: int) -> None:
    octets = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 101)
    octets += struct.pack(f"{order}IIII", 7, 9, 3, 3) + b"abc"
    assert list(read_packets(octets)) == [Packet(7_000_000_000 + 9 * unit, b"abc", 101)]


def test_the_other_order_of_octets() -> None:
    def block(kind: int, body: bytes) -> bytes:
        size = struct.pack(">I", len(body) + 12)
        return struct.pack(">I", kind) + size + body + size

    octets = block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1))
    octets += block(1, struct.pack(">HHI", 113, 0, 0))
    octets += block(99, b"what others know")
    octets += block(6, struct.pack(">IIIII", 0, 0, 5_000_000, 2, 2) + b"ab\0\0")
    octets += block(2, struct.pack(">HHIIII", 0, 0, 0, 6_000_000, 2, 2) + b"cd\0\0")
    octets += block(3, struct.pack(">I", 2) + b"ef\0\0")
    found = list(read_packets(octets))
    assert [each.octets for each in found] == [b"ab", b"cd", b"ef"]
    assert [each.time_ns for each in found] == [5_000_000_000, 6_000_000_000, 0]
    assert {each.link for each in found} == {113}


def test_a_long_comment_is_cut_and_a_long_packet_refused() -> None:
    head = section_block("x") + interface_block(1, "y")
    (packet,) = read_packets(head + packet_block(0, 0, b"a", comment="ä" * 70_000))
    assert len(packet.comment) > 30_000
    with pytest.raises(UsageError):
        packet_block(0, 0, bytes(300_000))


def test_what_is_no_capture() -> None:
    assert not is_capture(b"")
    assert not is_capture(b"\x0a\x0d")
    assert is_capture(ours())
    for octets in (
        b"",
        b"c0010203",
        section_block("x")[:-2],
        section_block("x") + packet_block(0, 0, b"a"),
    ):
        with pytest.raises(DecodeError):
            list(read_packets(octets))


def test_any_octets_are_read_or_refused() -> None:
    chance = random.Random(12)
    file = io.BytesIO()
    old = dpkt.pcap.Writer(file)
    old.writepkt(b"first", ts=1)
    originals = [ours(), file.getvalue()]
    for number in range(6_000):
        octets = bytearray(originals[number % 2])
        for _ in range(chance.randint(1, 4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        cut = bytes(octets[: chance.randrange(1, len(octets) + 1)])
        for each in (bytes(octets), cut):
            try:
                found = list(read_packets(each))
            except DecodeError:
                continue
            assert sum(len(packet.octets) for packet in found) <= len(each)
