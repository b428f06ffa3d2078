from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr, kinds
from ferraris.data.axdr import Limits
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import NotANumber, Tag, plain, show

from .mutation import survive  # noqa: TID252
from .strategies import DATA, SIMPLE  # noqa: TID252

CORPORA = Path(os.environ.get("FERRARIS_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))

VECTORS = [
    ("00", kinds.null_data()),
    ("0600bc614e", kinds.double_long_unsigned(12345678)),
    ("02020ffd161e", kinds.structure(kinds.integer(-3), kinds.enum(30))),
    ("0301", kinds.boolean(True)),
    ("0300", kinds.boolean(False)),
    ("03ff", (3, 255)),
    ("040cabc0", kinds.bit_string("101010111100")),
    ("05fffffffd", kinds.double_long(-3)),
    ("09060100010800ff", kinds.octet_string(bytes.fromhex("0100010800ff"))),
    ("0a0341e442", kinds.visible_string("AäB")),
    ("0c06c3a4c3b6c3bc", kinds.utf8_string("äöü")),
    ("0d12", kinds.bcd(0x12)),
    ("0f80", kinds.integer(-128)),
    ("10fffe", kinds.long(-2)),
    ("11ff", kinds.unsigned(255)),
    ("12ffff", kinds.long_unsigned(65535)),
    ("13120400010002", kinds.compact_array((18, None), bytes.fromhex("00010002"))),
    ("14ffffffffffffffff", kinds.long64(-1)),
    ("15ffffffffffffffff", kinds.long64_unsigned(2**64 - 1)),
    ("161e", kinds.enum(30)),
    ("173fc00000", kinds.float32(1.5)),
    ("18c002000000000000", kinds.float64(-2.25)),
    ("1907e30c1f0217000000ffc400", kinds.date_time(bytes.fromhex("07e30c1f0217000000ffc400"))),
    ("1a07e30c1f02", kinds.date(bytes.fromhex("07e30c1f02"))),
    ("1b17000000", kinds.time(bytes.fromhex("17000000"))),
    ("1cff", kinds.delta_integer(-1)),
    ("1dffff", kinds.delta_long(-1)),
    ("1effffffff", kinds.delta_double_long(-1)),
    ("1fff", kinds.delta_unsigned(255)),
    ("20ffff", kinds.delta_long_unsigned(65535)),
    ("21ffffffff", kinds.delta_double_long_unsigned(2**32 - 1)),
    ("ff", kinds.dont_care()),
    ("010211011102", kinds.array(kinds.unsigned(1), kinds.unsigned(2))),
]


@pytest.mark.parametrize(("octets", "data"), VECTORS)
def test_every_kind_both_ways(octets: str, data: kinds.Data) -> None:
    raw = bytes.fromhex(octets)
    assert axdr.encode(data) == raw
    found = axdr.decode(raw)
    assert found == data
    assert type(found[1]) is type(data[1])
    assert axdr.skip(raw) == len(raw)


def test_vectors_cover_every_tag() -> None:
    assert {data[0] for _, data in VECTORS} == set(Tag)


@given(DATA)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_values_survive(data: kinds.Data) -> None:
    octets = axdr.encode(data)
    again = axdr.decode(octets)
    assert again == data
    assert axdr.encode(again) == octets
    assert axdr.skip(octets) == len(octets)
    assert axdr.decode_at(b"??" + octets + b"!", 2) == (data, len(octets) + 2)


@given(st.binary(max_size=60))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_octets_survive(octets: bytes) -> None:
    """What decodes encodes to the same octets, unless a length was not in its shortest form."""
    try:
        data = axdr.decode(octets)
    except DecodeError:
        return
    again = axdr.encode(data)
    assert axdr.decode(again) == data
    if not any(0x81 <= octet <= 0x84 for octet in octets):
        assert again == octets


@given(SIMPLE)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_contents_without_tags(data: kinds.Data) -> None:
    tag, value = data
    content = axdr.encode_content(tag, value)
    assert bytes((tag,)) + content == axdr.encode(data)
    assert axdr.decode_content(tag, b"x" + content, 1) == (value, len(content) + 1)


@given(SIMPLE)
def test_numbers_are_written_alike(data: Any) -> None:
    tag, value = data
    assert axdr.encode_number(tag, value) == axdr.encode(data)


@pytest.mark.parametrize(("tag", "value"), [(Tag.UNSIGNED, 256), (Tag.LONG, 1 << 15), (99, 1)])
def test_numbers_that_do_not_fit(tag: int, value: int) -> None:
    with pytest.raises(UsageError):
        axdr.encode_number(tag, value)


@pytest.mark.parametrize("octets", ["177f800001", "17ffc12345", "187ff0000000000001"])
def test_payload_of_a_float_that_is_no_number(octets: str) -> None:
    raw = bytes.fromhex(octets)
    data = axdr.decode(raw)
    assert axdr.encode(data) == raw
    assert isinstance(data[1], NotANumber)
    assert data == axdr.decode(raw)
    assert hash(data[1]) == hash(axdr.decode(raw)[1])
    other = axdr.encode((23 if data[0] == 24 else 24, data[1]))
    assert str(axdr.decode(other)[1]) == "nan"
    assert axdr.encode(kinds.float32(float("nan")))[0] == 23


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("", 0),
        ("07", 0),
        ("0500", 1),
        ("0203110111", 5),
        ("020211011100ff", 6),
        ("02021101", 4),
        ("0905aabb", 1),
        ("0980", 1),
        ("098500000000ff", 1),
        ("098200", 1),
        ("09", 1),
        ("040f00", 1),
        ("03", 1),
        ("19000000", 1),
        ("1314", 2),
        ("1307", 1),
        ("1313", 1),
        ("130100", 1),
        ("13", 1),
        ("13020211", 2),
        ("0201020199", 4),
        ("0600bc614e00", 5),
        ("17000000", 1),
    ],
)
def test_offset_of_what_is_wrong(octets: str, offset: int) -> None:
    raw = bytes.fromhex(octets)
    with pytest.raises(DecodeError) as caught:
        axdr.decode(raw)
    assert caught.value.offset == offset
    assert caught.value.where == "data"
    if octets not in {"0600bc614e00", "020211011100ff"}:
        with pytest.raises(DecodeError):
            axdr.skip(raw)


def test_limits() -> None:
    deep = kinds.unsigned(1)
    for _ in range(17):
        deep = kinds.structure(deep)
    octets = axdr.encode(deep)
    for reader in (axdr.decode, axdr.skip):
        with pytest.raises(DecodeError, match="deep"):
            reader(octets)
    assert axdr.decode(octets, Limits(max_depth=20)) == deep
    assert axdr.skip(octets, 0, Limits(max_depth=20)) == len(octets)
    with pytest.raises(DecodeError, match="deep"):
        axdr.decode(b"\x02\x01" * 500 + b"\0", Limits(max_depth=10_000))
    many = axdr.encode((1, [(0, None)] * 10))
    with pytest.raises(DecodeError, match="more than 9"):
        axdr.decode(many, Limits(max_count=9))
    with pytest.raises(DecodeError, match="more than 4"):
        axdr.decode(many, Limits(max_octets=4))
    with pytest.raises(DecodeError, match="more than 4"):
        axdr.decode_at(bytes.fromhex("09050102030405"), 0, Limits(max_octets=4))
    with pytest.raises(DecodeError, match="elements in"):
        axdr.decode(bytes.fromhex("0184ffffffff"), Limits(max_count=2**40))


@pytest.mark.parametrize("count", [0, 1, 127, 128, 255, 256, 65535, 65536, 2**24])
def test_lengths(count: int) -> None:
    octets = axdr.length_octets(count)
    assert axdr.read_length(b"." + octets, 1) == (count, 1 + len(octets))
    assert len(octets) == 1 if count < 128 else octets[0] == 0x80 + len(octets) - 1


def test_other_octet_types() -> None:
    assert axdr.decode(bytearray(b"\x09\x01a")) == (9, b"a")
    assert axdr.decode(memoryview(b"\x09\x01a")) == (9, b"a")
    assert axdr.encode((9, bytearray(b"a"))) == b"\x09\x01a"


@pytest.mark.parametrize(
    "data",
    [
        (99, 1),
        (17, 256),
        (17, "a"),
        (9, 5),
        (9, "text"),
        (10, "€"),
        (0, 1),
        (25, b"short"),
        (4, kinds.BitString(9, b"a")),
        (1, 5),
        5,
        None,
        (17,),
        (19, ((19, None), b"")),
        (3, 256),
    ],
)
def test_what_cannot_be_sent(data: Any) -> None:
    with pytest.raises(UsageError):
        axdr.encode(data)


def test_endless_value() -> None:
    loop: list[Any] = []
    loop.append((2, loop))
    with pytest.raises(UsageError, match="deep"):
        axdr.encode((2, loop))


def test_makers_check() -> None:
    for maker in (kinds.unsigned, kinds.enum, kinds.integer, kinds.long, kinds.double_long):
        with pytest.raises(UsageError):
            maker(1 << 40)
    with pytest.raises(UsageError):
        kinds.visible_string("€")
    with pytest.raises(UsageError):
        kinds.bit_string("012")
    with pytest.raises(UsageError):
        kinds.date_time(b"")


def test_bits() -> None:
    bits = kinds.BitString.from_text("101100001")
    assert bits.octets == b"\xb0\x80"
    assert [bits.bit(n) for n in (0, 1, 2, 8, 9, -1)] == [True, False, True, True, False, False]
    assert bits.text == "101100001"
    assert kinds.BitString.from_text("") == (0, b"")
    assert kinds.BitString(0, b"").text == ""


def test_plain_and_shown() -> None:
    data = kinds.structure(
        kinds.integer(-3),
        kinds.enum(30),
        kinds.octet_string(bytes.fromhex("07e30c1f0217000000ffc400")),
        kinds.octet_string(b"Ferraris"),
        kinds.octet_string(b""),
        kinds.octet_string(b"\0\1"),
        kinds.visible_string("x"),
        kinds.bit_string("101"),
        kinds.compact_array((17, None), b"\1\2"),
        kinds.null_data(),
        (3, 255),
        kinds.date_time(bytes.fromhex("07e30c1f0217000000ffc400")),
    )
    stamp = bytes.fromhex("07e30c1f0217000000ffc400")
    assert plain(data) == [
        -3, 30, stamp, b"Ferraris", b"", b"\0\1", "x", "101", [1, 2], None, True, DateTime(stamp),
    ]  # fmt: skip
    assert show(data) == (
        "structure {integer -3, enum 30, octet-string 07e30c1f0217000000ffc400 "
        "(2019-12-31 Tue 23:00:00 UTC+01:00 status 00), octet-string 4665727261726973 "
        "('Ferraris'), octet-string (empty), octet-string 0001, visible-string 'x', "
        "bit-string 101, compact-array {unsigned 1, unsigned 2}, null-data, boolean 255, "
        "date-time 2019-12-31 Tue 23:00:00 UTC+01:00 status 00}"
    )


SEEDS = [bytes.fromhex(octets) for octets, _ in VECTORS] + [
    axdr.encode(kinds.array(*(data for _, data in VECTORS))),
    bytes.fromhex("13020211060a01000000020300000004"),
    bytes.fromhex(
        "01020206090c07e30c1f0217000000ffc40011000600000001060000000206000000030600000004"
    ),
]


def test_any_octets_raise_only_decode_errors() -> None:
    survive(axdr.decode, SEEDS)
    survive(lambda octets: plain(axdr.decode(octets)), SEEDS, 2_000)


def test_skip_agrees_with_decode() -> None:
    from .mutation import mutated  # noqa: TID252

    for octets in mutated(SEEDS, 4_000, seed=2):
        try:
            end: int | None = axdr.decode_at(octets, 0)[1]
        except DecodeError:
            end = None
        try:
            skipped: int | None = axdr.skip(octets)
        except DecodeError:
            skipped = None
        assert skipped == end, octets.hex()


DATES = {"19ffffffffffffffffff8000ff": "*-*-* *:*:*", "1a07e802feff": "2024-02-last"}


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora")
def test_corpus() -> None:
    checked = 0
    for line in (CORPORA / "dlms-vectors.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if not row["category"].startswith("data"):
            continue
        octets = bytes.fromhex(row["hex"])
        expected = row["expect"].get("value")
        checked += 1
        if isinstance(expected, str) and expected.startswith("error"):
            with pytest.raises(DecodeError):
                axdr.decode(octets)
            continue
        position, found = 0, []
        while position < len(octets):
            data, position = axdr.decode_at(octets, position)
            found.append(data)
        assert b"".join(map(axdr.encode, found)) == octets
        if octets[0] in (25, 26):
            assert str(found[0][1]) == DATES[row["hex"]]
        elif expected is not None:
            assert _json(plain(found[0])) == _json(expected), row["name"]
    assert checked


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_json(item) for item in value] if isinstance(value, list) else value
