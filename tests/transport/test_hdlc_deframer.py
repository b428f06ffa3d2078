"""Frames out of streams: any chunking, shared flags, garbage, cut and damaged frames."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame

SERVER, CLIENT = b"\x03", b"\x21"


def frame(information: bytes) -> bytes:
    return Frame(SERVER, CLIENT, 0x10, information).to_octets()


def feed(deframer: Deframer, octets: bytes, sizes: list[int]) -> list[bytes]:
    found, start, turn = [], 0, 0
    while start < len(octets):
        size = sizes[turn % len(sizes)]
        found += deframer.feed(octets[start : start + size], 0.0)
        start, turn = start + size, turn + 1
    return found


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.lists(st.sampled_from([b"", b"~", b"~~~", b"\x00~\xa0\x10", b"garbage~\xa7"]), max_size=6),
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
)
def test_any_chunking_is_the_same(
    contents: list[bytes], noise: list[bytes], sizes: list[int]
) -> None:
    octets = b""
    for index, content in enumerate(contents):
        octets += (noise[index] if index < len(noise) else b"") + frame(content)
    first, second, third = Deframer(), Deframer(), Deframer()
    whole = feed(first, octets, [len(octets) or 1])
    assert feed(second, octets, [1]) == whole
    assert feed(third, octets, sizes) == whole
    assert second.discarded == first.discarded


def test_flags_inside_and_shared() -> None:
    content = frame(b"~~~\xa0\x07~")
    shared = content[:-1] + content[:-1] + content
    for sizes in ([1], [5], [1000]):
        assert feed(Deframer(), shared, sizes) == [content[1:-1]] * 3


def test_a_cut_frame_is_given_up_after_a_pause() -> None:
    deframer = Deframer(inter_octet_timeout_s=0.5)
    good = frame(b"good")
    assert deframer.feed(frame(bytes(100))[:20], 0.0) == []
    assert deframer.partial
    assert deframer.feed(good, 1.0) == [good[1:-1]]
    assert deframer.feed(good[:6], 2.0) == []
    assert deframer.feed(good[6:], 2.4) == [good[1:-1]]


def test_frames_behind_a_damaged_length_are_found_after_a_pause() -> None:
    deframer = Deframer(inter_octet_timeout_s=0.5)
    good = frame(b"good")
    assert deframer.feed(b"~\xa7\xff" + good, 0.0) == []
    assert deframer.feed(good, 1.0) == [good[1:-1]] * 2
    assert deframer.feed(b"~\xa7\xff" + good + good, 3.0) == []
    assert deframer.feed(bytes(2048), 3.1) == [good[1:-1]] * 2
    deframer.reset()
    assert not deframer.partial


def test_noise_loses_no_intact_frame() -> None:
    chance = random.Random(3)
    sent, octets = [], bytearray()
    for number in range(3000):
        good = frame(number.to_bytes(4, "big") + chance.randbytes(chance.randrange(120)))
        kind = chance.randrange(15)
        if kind == 0:
            octets += chance.randbytes(chance.randrange(1, 30))
        elif kind == 1:
            damaged = bytearray(good)
            damaged[chance.randrange(1, len(damaged) - 1)] ^= 1 << chance.randrange(8)
            octets += damaged
            continue
        elif kind == 2:
            octets += good[: chance.randrange(1, len(good) - 1)]
            continue
        octets += good
        sent.append(good[1:-1])
    octets += bytes(2100)
    for sizes in ([1460], [16, 1, 100]):
        assert feed(Deframer(), bytes(octets), sizes) == sent


def test_what_is_held_is_bounded() -> None:
    deframer = Deframer(longest=300)
    chance = random.Random(4)
    for _ in range(2000):
        octets = bytes(chance.choice(b"~~\xa0\xa1\x20\x30\x00") for _ in range(40))
        deframer.feed(octets, 0.0)
        assert deframer._have < 302
    assert deframer.feed(bytes(400) + frame(bytes(280)), 0.0) == [frame(bytes(280))[1:-1]]
    assert deframer.feed(frame(bytes(300)) + bytes(400), 0.0) == []
