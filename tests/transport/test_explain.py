"""Explained frames and wrapper units: every octet named once, the APDUs inside handed on."""

from __future__ import annotations

import random

import pytest

from ferraris.core.explain import Line
from ferraris.transport.explain import explain_wrapper
from ferraris.transport.explain_hdlc import Segments, explain_hdlc
from ferraris.transport.hdlc.frame import Frame, parse
from ferraris.transport.hdlc.parameters import DEFAULT
from ferraris.transport.wrapper import pack

SERVER, CLIENT = b"\x02\x23", b"\x21"


def leaves(lines: list[Line]) -> bytes:
    """The octets of all lines, joined; offsets checked on the way."""
    octets = b""
    for line in lines:
        assert line.offset == len(octets)
        octets += line.octets
    return octets


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_wrapper() -> None:
    octets = pack(16, 1, b"\xc0\x01") + pack(1, 16, b"") + pack(1, 16, b"\xc4")
    found = explain_wrapper(octets)
    assert leaves(found.lines) == octets
    assert texts(found.lines)[:6] == [
        "wrapper unit",
        "version 1",
        "source port 16",
        "destination port 1",
        "length 2",
        "APDU, 2 octets",
    ]
    assert [(each.octets, each.pieces, each.ends) for each in found.apdus] == [
        (b"\xc0\x01", [(8, 2)], (16, 1)),
        (b"\xc4", [(26, 1)], (1, 16)),
    ]
    assert found.error is None


@pytest.mark.parametrize("octets", ["", "00010010", "0001001000010002c0", "0002001000010000"])
def test_no_wrapper(octets: str) -> None:
    wrong = bytes.fromhex(octets)
    assert explain_wrapper(wrong).error is not None
    good = pack(1, 16, b"\xc4")
    found = explain_wrapper(good + b"\0\2" + bytes(6))
    assert found.error is not None
    assert found.error.offset == len(good)
    assert leaves(found.lines) == good + b"\0\2" + bytes(6)
    assert len(found.apdus) == 1


def test_hdlc_frames_and_what_lies_between() -> None:
    snrm = Frame(SERVER, CLIENT, 0x93, DEFAULT.to_octets()).to_octets()
    frmr = Frame(CLIENT, SERVER, 0x97, bytes.fromhex("196001")).to_octets()
    ask = Frame(SERVER, CLIENT, 0x10, b"\xe6\xe6\x00\xc0\x01").to_octets()
    poll = Frame(SERVER, CLIENT, 0x31).to_octets()
    octets = b"\x01\x02" + snrm + frmr[1:] + b"~~" + ask + b"\x03" + poll + b"~\xa7\xff"
    found = explain_hdlc(octets)
    assert leaves(found.lines) == octets
    (apdu,) = found.apdus
    assert (apdu.octets, apdu.pieces) == (b"\xc0\x01", [(octets.index(b"\xc0\x01"), 2)])
    assert (apdu.ends, apdu.to_server) == ((16, 1), True)
    assert found.error is not None
    assert len(found.frames) == 4
    lines = texts(found.lines)
    for text in (
        "HDLC frame, SNRM",
        "destination: logical device 1, physical device 17",
        "source: client 16",
        "control: SNRM, poll",
        "maximum information field, transmit: 128",
        "window, receive: 1",
        "V(S) 0, V(R) 3",
        "reason: unknown control field",
        "control: I, N(S) 0, N(R) 0, P/F",
        "LLC header, command of a client",
        "flags",
    ):
        assert text in lines, text


def test_segments_are_put_together() -> None:
    octets = b"".join(
        [
            Frame(CLIENT, SERVER, 0x30, b"\xe6\xe7\x00\xc4\x01", True).to_octets(),
            Frame(SERVER, CLIENT, 0x31).to_octets(),
            Frame(CLIENT, SERVER, 0x32, b"\xc1\x00", False).to_octets(),
            Frame(CLIENT, SERVER, 0x13, b"\xe6\xe7\x00\x0f").to_octets(),
        ]
    )
    found = explain_hdlc(octets)
    assert leaves(found.lines) == octets
    assert [apdu.octets.hex() for apdu in found.apdus] == ["c401c100", "0f"]
    pieces = found.apdus[0].pieces
    assert b"".join(octets[at : at + size] for at, size in pieces).hex() == "c401c100"
    assert len(pieces) == 2
    assert texts(found.lines).count("part of an APDU, 2 octets") == 2


def test_segments_in_several_inputs_are_put_together() -> None:
    segments = Segments()
    first = explain_hdlc(
        Frame(CLIENT, SERVER, 0x30, b"\xe6\xe7\x00\xc4\x01", True).to_octets(), segments
    )
    assert [(each.complete, each.before) for each in first.apdus] == [(False, 0)]
    second = explain_hdlc(Frame(CLIENT, SERVER, 0x32, b"\xc1\x00").to_octets(), segments)
    (apdu,) = second.apdus
    assert (apdu.octets.hex(), apdu.complete, apdu.before) == ("c401c100", True, 2)


def test_another_apdu_in_its_place_has_right_check_sequences() -> None:
    parts = [b"\xe6\xe7\x00\xc4\x01", b"\xc1\x00"]
    octets = b"".join(
        Frame(CLIENT, SERVER, 0x30, part, n == 0).to_octets() for n, part in enumerate(parts)
    )
    found = explain_hdlc(octets)
    assert found.with_apdus(octets, [found.apdus[0].octets]) == octets
    other = explain_hdlc(found.with_apdus(octets, [b"abcd"]))
    assert other.error is None
    assert other.apdus[0].octets == b"abcd"
    unit = pack(1, 16, b"secret")
    wrapped = explain_wrapper(unit)
    assert wrapped.with_apdus(unit, [b"******"]) == pack(1, 16, b"******")


def test_what_is_wrong_with_a_frame_is_said() -> None:
    frame = bytearray(Frame(SERVER, CLIENT, 0x10, b"abc").to_octets())
    right = bytes(frame[-3:-1]).hex()
    frame[-3] ^= 1
    for octets in (bytes(frame), bytes(frame[:-1]), b"", b"~", b"~\xa0\x07\x03", bytes(20)):
        found = explain_hdlc(octets)
        assert found.error is not None
        assert leaves(found.lines) == octets
    shown = texts(explain_hdlc(bytes(frame)).lines)
    assert f"frame check sequence, wrong: {right} would be right" in shown
    assert "header check sequence, right" in shown
    frame = bytearray(Frame(SERVER, CLIENT, 0x10, b"abc").to_octets())
    frame[6] ^= 1
    shown = texts(explain_hdlc(bytes(frame)).lines)
    assert any(text.startswith("header check sequence, wrong") for text in shown)


def test_any_octets() -> None:
    chance = random.Random(6)
    for _ in range(10_000):
        frames = bytearray()
        for _ in range(chance.randrange(1, 3)):
            information = chance.choice((b"", DEFAULT.to_octets(), b"\xe6\xe6\x00\xc0"))
            if chance.random() < 0.5:
                information = bytes(information[: chance.randrange(len(information) + 1)])
            control = chance.choice((0x93, 0x73, 0x97, 0x10, 0x13, chance.randrange(256)))
            ends = chance.choice(((SERVER, CLIENT), (CLIENT, SERVER), (CLIENT, CLIENT)))
            frames += Frame(*ends, control, information, chance.random() < 0.3).to_octets()
            frames += chance.randbytes(chance.randrange(3))
        if chance.random() < 0.5:
            frames[chance.randrange(len(frames))] = chance.randrange(256)
        found = explain_hdlc(bytes(frames))
        assert leaves(found.lines) == frames
        if found.error is None:
            assert found.frames == [parse(bytes(frames[a:b])) for a, b in found.contents]
        unit = bytearray(pack(1, 16, chance.randbytes(3)) * 2)
        unit[chance.randrange(len(unit))] = chance.randrange(3)
        assert leaves(explain_wrapper(bytes(unit)).lines) == unit
