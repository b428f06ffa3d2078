"""Streams seen from aside: in order, without repetitions, cut where units end."""

from __future__ import annotations

import random
from itertools import pairwise

from ferraris.line.units import Ordered, Units
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.wrapper import pack

FRAMES = [
    Frame(b"\x03", b"\x21", control, b"\xe6\xe6\x00~abc"[: control % 9]).to_octets()
    for control in (0x93, 0x10, 0x32)
]
UNITS = [pack(16, 1, b"abc"), pack(1, 16, bytes(300)), pack(1, 16, b"")]


def test_units_however_they_come() -> None:
    for whole in (FRAMES, UNITS):
        stream = b"".join(whole)
        assert Units().feed(stream) == whole
        slow = Units()
        assert [unit for n in range(len(stream)) for unit in slow.feed(stream[n : n + 1])] == whole
        assert slow.rest() == b""


def test_shared_flags_and_noise() -> None:
    units = Units()
    stream = FRAMES[0] + FRAMES[1][1:] + b"~~" + FRAMES[2] + b"noise" + FRAMES[0]
    assert units.feed(stream) == [FRAMES[0], FRAMES[1][1:], b"~~" + FRAMES[2], b"noise", FRAMES[0]]
    assert units.feed(FRAMES[0][:5]) == []
    assert units.rest() == FRAMES[0][:5]


def test_all_that_comes_in_goes_out() -> None:
    chance = random.Random(4)
    for _ in range(3_000):
        stream = bytearray(b"".join(chance.choices(FRAMES + UNITS[:1], k=3)))
        for _ in range(chance.randrange(4)):
            stream[chance.randrange(len(stream))] = chance.choice((0x7E, 0xA0, 0, 1, 255))
        units = Units()
        found = []
        position = 0
        while position < len(stream):
            step = chance.randrange(1, 20)
            found += units.feed(bytes(stream[position : position + step]))
            position += step
        assert b"".join(found) + units.rest() == stream


def test_segments_in_any_order_and_twice() -> None:
    chance = random.Random(5)
    text = chance.randbytes(5000)
    for start in (0, 0xFFFF_F000):
        ordered = Ordered()
        ordered.begin(start)
        cuts = sorted({0, len(text), *(chance.randrange(5000) for _ in range(20))})
        parts = [(a, text[a:b]) for a, b in pairwise(cuts)]
        parts += [(a, text[a : a + 300]) for a in range(0, 5000, 200)]
        chance.shuffle(parts)
        found = b"".join(ordered.feed(start + at & 0xFFFF_FFFF, part) for at, part in parts)
        assert found == text
        assert ordered.missing == 0


def test_what_is_missing_is_stepped_over_at_the_end_or_when_too_much_waits() -> None:
    ordered = Ordered()
    assert ordered.feed(10, b"ab") == b"ab"
    assert ordered.feed(15, b"fg") == b""
    assert ordered.rest() == b"fg"
    assert ordered.missing == 3
    assert ordered.feed(20, b"x" * (1 << 20)) == b""
    assert len(ordered.feed(20 + (1 << 20), b"y")) == (1 << 20) + 1


def test_lines_of_mode_e_in_pieces() -> None:
    lines = [b"/?!\r\n", b"/FER5\\2METER\r\n", b"\x06252\r\n", b"\x01P1\x02(1234)\x03q", FRAMES[0]]
    slow = Units()
    stream = b"".join(lines)
    assert [unit for n in range(len(stream)) for unit in slow.feed(stream[n : n + 1])] == lines
    assert Units().feed(b"/" + bytes(300)) == [b"/" + bytes(300)]
