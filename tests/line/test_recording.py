"""Recordings: what passed, in order and explained, without what is secret."""

from __future__ import annotations

import io
from collections.abc import Sequence

import dpkt

from ferraris.core.explain import Line
from ferraris.core.layer import Closed, Deliver, Opened
from ferraris.core.pcapng import LINK_RAW_IP, LINK_USER0, read_packets
from ferraris.core.stack import Plain
from ferraris.line.packets import Place, carried
from ferraris.line.recording import Recording, without_secrets
from ferraris.line.url import parse_url
from ferraris.transport.explain import explain_wrapper
from ferraris.transport.explain_hdlc import explain_hdlc
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.wrapper import pack

CLIENT, METER = Place("192.0.2.1", 49152), Place("192.0.2.2", 4059)
PASSWORD = b"Zq7pXw9L"
AARQ = bytes.fromhex("6036a1090607608574050801018a0207808b0760857405080201ac0a8008")
AARQ += PASSWORD + bytes.fromhex("be10040e01000000065f1f0400007e1f04b0")
MASKED = AARQ.replace(PASSWORD, b"********")


class File:
    """A capture in memory, with a clock of its own."""

    def __init__(self) -> None:
        self.octets = b""
        self.now = 1_700_000_000_000_000_000

    def write(self, octets: bytes) -> None:
        self.octets += octets

    def clock_ns(self) -> int:
        self.now += 1_000_000
        return self.now

    def recording(self) -> Recording:
        return Recording(self.write, self.clock_ns, words=lambda: words, about="a test")


def words(octets: bytes) -> Sequence[Line]:
    framing = explain_wrapper(octets) if octets[:2] == b"\0\1" else explain_hdlc(octets)
    return framing.lines


def segments(apdu: bytes, size: int) -> list[bytes]:
    unit = b"\xe6\xe6\x00" + apdu
    parts = [unit[n : n + size] for n in range(0, len(unit), size)]
    return [
        Frame(b"\x03", b"\x21", n << 1, part, n < len(parts) - 1).to_octets()
        for n, part in enumerate(parts)
    ]


def test_a_connection_as_tcp() -> None:
    file = File()
    recorded = file.recording().tcp(CLIENT, METER)
    ask, answer = pack(16, 1, b"\xc0\x01"), pack(1, 16, b"\xc4\x01")
    recorded.to_meter(ask[:3])
    recorded.to_meter(ask[3:])
    recorded.from_meter(answer + answer[:4])
    recorded.from_meter(answer[4:])
    recorded.close()
    packets = list(read_packets(file.octets))
    assert {packet.link for packet in packets} == {LINK_RAW_IP}
    seen = [carried(packet.link, packet.octets) for packet in packets]
    assert [each.octets for each in seen if each is not None and each.octets] == [
        ask,
        answer,
        answer,
    ]
    assert [packet.inbound for packet in packets[3:6]] == [False, True, True]
    assert packets[3].comment.startswith("wrapper unit\n  version 1\n  source port 16")
    assert packets[3].time_ns < packets[4].time_ns
    numbers = [
        (dpkt.ip.IP(each.octets).data.seq, dpkt.ip.IP(each.octets).data.ack) for each in packets
    ]
    assert numbers == [
        (0, 0),
        (0, 1),
        (1, 1),
        (1, 1),
        (1, 11),
        (11, 11),
        (11, 21),
        (21, 12),
        (12, 22),
    ]


def test_a_foreign_reader_reads_it() -> None:
    file = File()
    recorded = file.recording().tcp(CLIENT, METER)
    recorded.to_meter(pack(16, 1, b"\xc0\x01"))
    found = [
        dpkt.ip.IP(octets).data.data for _, octets in dpkt.pcapng.Reader(io.BytesIO(file.octets))
    ]
    assert found == [b"", b"", b"", pack(16, 1, b"\xc0\x01")]


def test_a_password_is_written_as_asterisks_over_the_wrapper() -> None:
    file = File()
    recorded = file.recording().udp(CLIENT, METER)
    recorded.to_meter(pack(16, 1, AARQ))
    (packet,) = read_packets(file.octets)
    seen = carried(packet.link, packet.octets)
    assert seen is not None
    assert seen.octets == pack(16, 1, MASKED)
    assert packet.comment.startswith("passwords and keys are asterisks here")
    assert PASSWORD not in file.octets


def test_a_password_in_segments_waits_until_it_is_known() -> None:
    for size in range(4, 40):
        file = File()
        recorded = file.recording().serial()
        frames = segments(AARQ, size)
        for number, frame in enumerate(frames):
            recorded.to_meter(frame)
            if number + 1 < len(frames):
                recorded.from_meter(Frame(b"\x21", b"\x03", 0x11).to_octets())
        packets = list(read_packets(file.octets))
        assert {packet.link for packet in packets} == {LINK_USER0}
        sent = [packet.octets for packet in packets if not packet.inbound]
        found = explain_hdlc(b"".join(sent))
        assert found.error is None
        assert [apdu.octets for apdu in found.apdus] == [MASKED]
        assert not any(PASSWORD[n : n + 3] in file.octets for n in range(6))
        assert all(packet.comment for packet in packets)


def test_a_password_that_never_ends_is_hidden_as_well() -> None:
    for framed in (pack(16, 1, AARQ), b"".join(segments(AARQ, 200)), b"".join(segments(AARQ, 25))):
        for end in range(8, len(framed)):
            file = File()
            recorded = file.recording().tcp(CLIENT, METER)
            recorded.to_meter(framed[:end])
            recorded.close()
            assert not any(PASSWORD[n : n + 3] in file.octets for n in range(6)), (framed, end)


def test_what_is_no_dlms_is_recorded_as_it_is() -> None:
    file = File()
    recorded = file.recording().serial()
    recorded.to_meter(b"/?!\r\n")
    recorded.from_meter(b"/FER5\\2RESIDENTIAL\r\n")
    packets = list(read_packets(file.octets))
    assert [packet.octets for packet in packets] == [b"/?!\r\n", b"/FER5\\2RESIDENTIAL\r\n"]
    assert [packet.inbound for packet in packets] == [False, True]


def test_a_password_command_in_pieces() -> None:
    file = File()
    recorded = file.recording().serial()
    for octet in b"\x01P1\x02(12345678)\x03\x60" + b"\x01P1\x02(87654321":
        recorded.to_meter(bytes((octet,)))
    recorded.close()
    assert b"1234" not in file.octets
    assert b"8765" not in file.octets
    assert len(list(read_packets(file.octets))) == 2


def test_the_password_command_of_mode_c() -> None:
    command = b"\x01P1\x02(12345678)\x03"
    check = 0
    for octet in command[1:]:
        check ^= octet
    hidden = without_secrets(command + bytes((check,)))
    assert hidden[:-1] == b"\x01P1\x02(********)\x03"
    check = 0
    for octet in hidden[1:]:
        check ^= octet
    assert check == 0


class Echo(Plain[bytes, bytes, bytes]):
    """A layer that lets units through."""

    def send(self, unit: bytes, now: float) -> None:
        self._down.append(unit)

    def receive(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit))


def test_a_tap_records_what_a_stack_says_and_hears() -> None:
    file = File()
    for url, link in (
        ("tcp://meter:4059", LINK_RAW_IP),
        ("udp://[2001:db8::7]:5000", LINK_RAW_IP),
        ("serial:///dev/ttyUSB0", LINK_USER0),
    ):
        file.octets = b""
        tap = file.recording().tap(parse_url(url), Echo())
        ask, answer = pack(16, 1, AARQ), pack(1, 16, b"\xc4\x01")
        tap.open(0.0)
        assert type(tap.event()) is Opened
        tap.send(ask, 0.0)
        assert not tap.room
        assert tap.transmit(0.0) == ask
        tap.receive(answer, 1.0)
        assert tap.event() == Deliver(answer)
        tap.close(2.0)
        assert type(tap.event()) is Closed
        packets = list(read_packets(file.octets))
        assert {packet.link for packet in packets} == {link}
        seen = [
            each.octets if (each := carried(packet.link, packet.octets)) else packet.octets
            for packet in packets
        ]
        assert [octets for octets in seen if octets] == [pack(16, 1, MASKED), answer]


def test_ends_of_different_kinds_of_addresses_agree() -> None:
    file = File()
    recording = file.recording()
    recording.between(CLIENT, parse_url("udp://[2001:db8::7]:1")).to_meter(b"a")
    recording.between(Place("::1", 5), parse_url("udp://meter:1")).to_meter(b"b")
    recording.between(CLIENT, parse_url("udp://meter:1")).to_meter(b"c")
    seen = [carried(packet.link, packet.octets) for packet in read_packets(file.octets)]
    assert [(each.source.address, each.destination.address) for each in seen if each] == [
        ("2001:db8::1", "2001:db8::7"),
        ("::1", "2001:db8::2"),
        ("192.0.2.1", "192.0.2.2"),
    ]


def test_long_units_take_several_packets() -> None:
    file = File()
    recorded = file.recording().tcp(CLIENT, METER)
    unit = pack(1, 16, b"\xc4" + bytes(65_000))
    recorded.from_meter(unit)
    seen = [carried(packet.link, packet.octets) for packet in read_packets(file.octets)]
    assert b"".join(each.octets for each in seen if each is not None) == unit
    assert len(seen) == 5


def test_lines_and_connections_share_a_capture() -> None:
    file = File()
    recording = file.recording()
    recording.serial().to_meter(b"/?!\r\n")
    recording.udp(CLIENT, METER).from_meter(pack(1, 16, b"\xc4"))
    assert [packet.link for packet in read_packets(file.octets)] == [LINK_USER0, LINK_RAW_IP]
    assert recording.packets == 2
