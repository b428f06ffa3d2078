"""Headers made for captures: right by a foreign reader; and taken off again, whatever the link."""

from __future__ import annotations

import random

import dpkt
import pytest

from ferraris.core.pcapng import LINK_ETHERNET, LINK_RAW_IP
from ferraris.line.packets import ACK, PSH, Place, carried, tcp_packet, udp_packet

FOUR = (Place("192.0.2.1", 49152), Place("192.0.2.2", 4059))
SIX = (Place("2001:db8::1", 49152), Place("2001:db8::2", 4059))


@pytest.mark.parametrize("ends", [FOUR, SIX])
@pytest.mark.parametrize("octets", [b"", b"odd", b"even"])
def test_there_and_back(ends: tuple[Place, Place], octets: bytes) -> None:
    packet = tcp_packet(*ends, octets, flags=PSH | ACK, sequence=0xFFFF_FFFF, acknowledged=7)
    found = carried(LINK_RAW_IP, packet)
    assert found == (*ends, octets, True, 0xFFFF_FFFF, PSH | ACK)
    assert carried(LINK_RAW_IP, udp_packet(*ends, octets)) == (*ends, octets, False, 0, 0)


def test_checksums_are_right_by_a_foreign_reader() -> None:
    packet = tcp_packet(*FOUR, b"abc", flags=PSH | ACK, sequence=1, acknowledged=2)
    ip = dpkt.ip.IP(packet)
    again = dpkt.ip.IP(packet)
    again.sum = again.data.sum = 0
    assert bytes(again) == packet
    assert (ip.data.sport, ip.data.dport, ip.data.data) == (49152, 4059, b"abc")
    datagram = dpkt.ip.IP(udp_packet(*FOUR, b"abcd"))
    datagram.sum = datagram.data.sum = 0
    assert bytes(datagram) == udp_packet(*FOUR, b"abcd")
    six = dpkt.ip6.IP6(tcp_packet(*SIX, b"abc", flags=ACK, sequence=1, acknowledged=2))
    assert six.data.data == b"abc"


def test_links_of_foreign_captures() -> None:
    packet = udp_packet(*FOUR, b"abc")
    wanted = carried(LINK_RAW_IP, packet)
    ether = dpkt.ethernet.Ethernet(data=dpkt.ip.IP(packet))
    assert carried(LINK_ETHERNET, bytes(ether)) == wanted
    tagged = bytes(12) + bytes.fromhex("8100000a88a8000b0800") + packet
    assert carried(LINK_ETHERNET, tagged) == wanted
    assert carried(113, bytes(14) + b"\x08\x00" + packet) == wanted
    assert carried(276, bytes(20) + packet) == wanted
    assert carried(0, b"\2\0\0\0" + packet) == wanted
    padded = carried(LINK_ETHERNET, bytes(ether) + bytes(18))
    assert padded == wanted
    six = udp_packet(*SIX, b"abc")
    extended = six[:6] + b"\x00" + six[7:40] + b"\x11\0" + bytes(6) + six[40:]
    extended = extended[:4] + (len(extended) - 40).to_bytes(2, "big") + extended[6:]
    assert carried(LINK_RAW_IP, extended) == carried(LINK_RAW_IP, six)


def test_what_carries_nothing() -> None:
    assert carried(999, udp_packet(*FOUR, b"abc")) is None
    assert carried(LINK_ETHERNET, bytes(12) + b"\x08\x06" + bytes(28)) is None
    fragment = bytearray(udp_packet(*FOUR, b"abc"))
    fragment[6] = 0x20
    assert carried(LINK_RAW_IP, bytes(fragment)) is None


def test_any_octets() -> None:
    chance = random.Random(3)
    for _ in range(5_000):
        packet = bytearray(
            tcp_packet(
                *(FOUR if chance.random() < 0.5 else SIX),
                b"abc",
                flags=ACK,
                sequence=0,
                acknowledged=0,
            )
        )
        for _ in range(3):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
        carried(
            chance.choice((0, 1, 101, 113, 276)), bytes(packet[: chance.randrange(len(packet) + 1)])
        )
