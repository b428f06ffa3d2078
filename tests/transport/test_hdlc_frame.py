"""HDLC frames: check sequences, addresses, parameters, published frames, bad input."""

from __future__ import annotations

import contextlib
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, UsageError
from ferraris.transport.hdlc import crc
from ferraris.transport.hdlc.address import (
    HdlcAddress,
    is_all_stations,
    pack_address,
    unpack_address,
)
from ferraris.transport.hdlc.deframer import Deframer
from ferraris.transport.hdlc.frame import Frame, Kind, parse
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters

CORPORA = Path(os.environ.get("FERRARIS_CORPORA", "../shared/corpora"))

SERVER, CLIENT = b"\x03", b"\x21"
AARQ = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400007e1f04b0")
AARE = bytes.fromhex(
    "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007"
)
LARGE = Parameters(2030, 2030, 1, 1)

# Client 16 to server 1. [hdlc-quoted] [computed]
FRAMES: dict[str, Frame] = {
    "7EA0070321930F017E": Frame(SERVER, CLIENT, 0x93),
    "7EA01E032193CD3B818012050180060180070400000001080400000001533B7E": Frame(
        SERVER, CLIENT, 0x93, DEFAULT.to_octets()
    ),
    "7EA0200321937DD98180140502 07EE060207EE070400000001080400000001B5D47E": Frame(
        SERVER, CLIENT, 0x93, LARGE.to_octets()
    ),
    "7EA01E210373C37A818012050180060180070400000001080400000001533B7E": Frame(
        CLIENT, SERVER, 0x73, DEFAULT.to_octets()
    ),
    "7EA00721037301407E": Frame(CLIENT, SERVER, 0x73),
    "7EA00703215303C77E": Frame(SERVER, CLIENT, 0x53),
    "7EA00721031F6BE97E": Frame(CLIENT, SERVER, 0x1F),
    "7EA00703211115A67E": Frame(SERVER, CLIENT, 0x11),
    "7EA007032115 31E07E": Frame(SERVER, CLIENT, 0x15),
    "7EA02B032110FBAFE6E600601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0CAEA7E": (
        Frame(SERVER, CLIENT, 0x10, b"\xe6\xe6\x00" + AARQ)
    ),
    "7EA037210330 6C7C E6E7006129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F04"
    "0000501F01F40007190A7E": Frame(CLIENT, SERVER, 0x30, b"\xe6\xe7\x00" + AARE),
}


@pytest.mark.parametrize("octets", list(FRAMES))
def test_published_frames_both_ways(octets: str) -> None:
    frame, wire = FRAMES[octets], bytes.fromhex(octets)
    assert frame.to_octets() == wire
    assert parse(wire[1:-1]) == frame
    assert Deframer().feed(wire, 0.0) == [wire[1:-1]]


def test_check_sequences() -> None:
    assert crc.check_sequence(b"123456789") == 0x906E
    assert crc.portable_check_sequence(b"123456789") == 0x906E


@given(st.binary(max_size=300))
def test_both_implementations_are_equal(octets: bytes) -> None:
    value = crc.portable_check_sequence(octets)
    assert crc.check_sequence(octets) == value
    sealed = octets + value.to_bytes(2, "little")
    assert crc.sound(sealed)
    assert crc.portable_sound(sealed)
    spoiled = sealed[:-1] + bytes([sealed[-1] ^ 4])
    assert not crc.sound(spoiled)
    assert not crc.portable_sound(spoiled)


@pytest.mark.parametrize(
    ("logical", "physical", "length", "octets"),
    [
        (16, None, None, "21"),
        (1, None, None, "03"),
        (1, 17, None, "0223"),
        (1, 17, 4, "00020023"),
        (1, 0x3FFF, None, "0002feff"),
        (0x7F, None, None, "ff"),
        (0x7F, 0x7F, None, "feff"),
        (0x3FFF, 0x3FFF, None, "fefefeff"),
        (200, 17, None, "02900023"),
    ],
)
def test_addresses(logical: int, physical: int | None, length: int | None, octets: str) -> None:
    assert pack_address(logical, physical, length=length).hex() == octets
    assert unpack_address(bytes.fromhex(octets)) == HdlcAddress(logical, physical)


@pytest.mark.parametrize(
    ("logical", "physical", "length"),
    [(128, None, None), (-1, None, None), (1, 17, 1), (1, None, 2), (1, 17, 3), (1, 1 << 14, None)],
)
def test_impossible_addresses(logical: int, physical: int | None, length: int | None) -> None:
    with pytest.raises(UsageError):
        pack_address(logical, physical, length=length)


@pytest.mark.parametrize("octets", ["", "00", "000203", "0000000003", "0303", "00000000"])
def test_octets_that_are_no_address(octets: str) -> None:
    with pytest.raises(DecodeError):
        unpack_address(bytes.fromhex(octets))


def test_all_stations() -> None:
    assert is_all_stations(0x7F)
    assert is_all_stations(0x3FFF)
    assert not is_all_stations(None)


def test_parameters() -> None:
    own, peer = Parameters(500, 2030, 3, 7), Parameters(128, 62, 1, 2)
    assert own.agree(peer) == Parameters(62, 128, 2, 1)
    assert Parameters.from_octets(b"") == DEFAULT
    assert Parameters.from_octets(own.to_octets()) == own
    tolerated = bytes.fromhex("8180 0d 0502 00f0 0604 0000 ffff 0801 09 f003010203")
    assert Parameters.from_octets(tolerated) == Parameters(240, 2030, 1, 7)
    captured = bytes.fromhex("81801205018006013e070400000001080400000001")
    assert Parameters.from_octets(captured) == Parameters(128, 62, 1, 1)
    for bad in ("80", "8180", "818003050100", "8180020500", "81800105", "81800305010009"):
        with pytest.raises(DecodeError):
            Parameters.from_octets(bytes.fromhex(bad))
    for values in ((0, 128, 1, 1), (128, 2031, 1, 1), (128, 128, 0, 1), (128, 128, 1, 8)):
        with pytest.raises(UsageError):
            Parameters(*values)


def test_a_frame_has_its_bounds() -> None:
    frame = Frame(b"\x00\x02\x00\x23", CLIENT, 0x10, bytes(2030))
    assert parse(frame.to_octets()[1:-1]) == frame
    with pytest.raises(UsageError):
        Frame(SERVER, CLIENT, 0x10, bytes(2040)).to_octets()


def test_kinds() -> None:
    kinds = {control: Frame(SERVER, CLIENT, control).kind for control in range(256)}
    assert [kinds[control] for control in (0x10, 0x11, 0x15, 0x93, 0x53, 0x73, 0x1F, 0x97)] == [
        *(Kind.I, Kind.RR, Kind.RNR, Kind.SNRM, Kind.DISC, Kind.UA, Kind.DM, Kind.FRMR)
    ]
    assert kinds[0x03] is kinds[0x13] is Kind.UI
    assert kinds[0x19] is Kind.REJ
    assert kinds[0x1D] is kinds[0xBF] is Kind.UNKNOWN


@pytest.mark.parametrize(
    "content",
    [
        "",
        "a00503219b",
        "b007032193",
        "a008032193b2cc00",
    ],
)
def test_contents_that_are_no_frame(content: str) -> None:
    with pytest.raises(DecodeError):
        parse(bytes.fromhex(content))


def sealed(content: bytes) -> bytes:
    return content + crc.check_sequence(content).to_bytes(2, "little")


def test_a_wrong_header_check_sequence() -> None:
    good = bytearray(Frame(SERVER, CLIENT, 0x10, b"abc").to_octets()[1:-1])
    good[5] ^= 1
    with pytest.raises(DecodeError, match="header check"):
        parse(sealed(bytes(good[:-2])))


@pytest.mark.parametrize("inside", ["000321", "0321930f", "00020202939393"])
def test_sound_frames_with_impossible_parts(inside: str) -> None:
    octets = bytes.fromhex(inside)
    with pytest.raises(DecodeError):
        parse(sealed(bytes((0xA0, len(octets) + 4)) + octets))


def test_mutated_frames_raise_only_decode_errors() -> None:
    chance = random.Random(2)
    seeds = [bytes.fromhex(text)[1:-3] for text in FRAMES]
    for _ in range(10_000):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        del octets[chance.randrange(1, len(octets) + 1) :]
        if chance.random() < 0.8 and len(octets) > 1:  # past the first checks
            octets[0], octets[1] = 0xA0 | octets[0] & 8, len(octets) + 2
            octets = bytearray(sealed(bytes(octets)))
        with contextlib.suppress(DecodeError):
            parse(bytes(octets))
        with contextlib.suppress(DecodeError):
            Parameters.from_octets(bytes(octets[-12:]))
        with contextlib.suppress(DecodeError):
            unpack_address(bytes(octets[:5]))


def corpus() -> list[dict[str, object]]:
    path = CORPORA / "dlms-vectors.jsonl"
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if row["category"] in {"hdlc", "push"}]


@pytest.mark.skipif(not corpus(), reason="no corpora")
def test_corpus_frames() -> None:
    decoded = 0
    for row in corpus():
        octets = bytes.fromhex(row["hex"])  # type: ignore[arg-type]
        if octets[:1] != b"~":
            continue
        expected = row["expect"].get("frames")  # type: ignore[attr-defined]
        frames = [parse(content) for content in Deframer().feed(octets, 0.0)]
        decoded += len(frames)
        if not isinstance(expected, list):
            wrong = "FCS" in str(row["verified"]).rpartition("NOT fully decoded here:")[2]
            damaged = expected is None and wrong  # its source says so: the check sequence is wrong
            assert len(frames) == (0 if damaged else expected), row["name"]
            continue
        assert [
            {
                "dst": frame.destination.hex(),
                "src": frame.source.hex(),
                "ctrl": f"{frame.control:02x}",
                "segmented": frame.segmented,
                "info": frame.information.hex(),
            }
            for frame in frames
        ] == expected, row["name"]
    assert decoded >= 11
