"""Explained frames: every octet named, the APDU inside handed on."""

from __future__ import annotations

import contextlib
import random

import pytest

from ferraris.core.errors import DecodeError
from ferraris.core.explain import Line
from ferraris.transport.explain import EnclosedApdu, explain_hdlc, explain_wrapper
from ferraris.transport.hdlc.frame import Frame
from ferraris.transport.hdlc.parameters import DEFAULT
from ferraris.transport.wrapper import pack

SERVER, CLIENT = b"\x02\x23", b"\x21"


def leaves(lines: list[Line]) -> bytes:
    """The octets of all lines that no deeper line follows; offsets checked on the way."""
    octets = b""
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        if following is None or following.depth <= line.depth:
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
    assert found.apdus == [EnclosedApdu(8, b"\xc0\x01"), EnclosedApdu(26, b"\xc4")]


@pytest.mark.parametrize("octets", ["", "00010010", "0001001000010002c0", "0002001000010000"])
def test_no_wrapper(octets: str) -> None:
    with pytest.raises(DecodeError):
        explain_wrapper(bytes.fromhex(octets))
    good = pack(1, 16, b"\xc4")
    with pytest.raises(DecodeError) as caught:
        explain_wrapper(good + b"\0\2" + bytes(6))
    assert caught.value.offset == len(good)


def test_hdlc_frames_and_what_lies_between() -> None:
    snrm = Frame(SERVER, CLIENT, 0x93, DEFAULT.to_octets()).to_octets()
    frmr = Frame(CLIENT, SERVER, 0x97, bytes.fromhex("196001")).to_octets()
    ask = Frame(SERVER, CLIENT, 0x10, b"\xe6\xe6\x00\xc0\x01").to_octets()
    poll = Frame(SERVER, CLIENT, 0x31).to_octets()
    octets = b"\x01\x02" + snrm + frmr[1:] + b"~~" + ask + b"\x03" + poll + b"~\xa7\xff"
    found = explain_hdlc(octets)
    assert leaves(found.lines) == octets
    assert found.apdus == [EnclosedApdu(octets.index(b"\xc0\x01"), b"\xc0\x01")]
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
        "LLC, command of a client",
        "no sound frame",
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
    assert [(apdu.octets.hex(), apdu.contiguous) for apdu in found.apdus] == [
        ("c401c100", False),
        ("0f", True),
    ]
    assert octets[found.apdus[0].offset :].startswith(b"\xc4\x01")
    assert texts(found.lines).count("part of an APDU, 2 octets") == 2


def test_what_is_wrong_with_a_frame_is_said() -> None:
    frame = bytearray(Frame(SERVER, CLIENT, 0x10, b"abc").to_octets())
    frame[-3] ^= 1
    for octets in (bytes(frame), bytes(frame[:-1]), b"", b"~", b"~\xa0\x07\x03", bytes(20)):
        with pytest.raises(DecodeError):
            explain_hdlc(octets)
    with pytest.raises(DecodeError, match="frame check sequence is wrong"):
        explain_hdlc(bytes(frame))


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
        with contextlib.suppress(DecodeError):
            assert leaves(explain_hdlc(bytes(frames)).lines) == frames
        unit = bytearray(pack(1, 16, chance.randbytes(3)) * 2)
        unit[chance.randrange(len(unit))] = chance.randrange(3)
        with contextlib.suppress(DecodeError):
            assert leaves(explain_wrapper(bytes(unit)).lines) == unit
