"""The type tree: every type loads what it dumps, refuses the rest, and says what it is."""

from __future__ import annotations

from contextlib import suppress
from enum import IntEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr, types
from ferraris.data.date_time import Date, DateTime, Time
from ferraris.data.kinds import BitString, Tag
from ferraris.data.obis import Obis


class Colour(IntEnum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    left: int
    right: bytes


PAIR = types.Structure(Pair, types.Unsigned, types.OctetString)
TWELVE = bytes.fromhex("07e80101ff0c0000ff800000")

EXAMPLES: list[tuple[types.DataType[Any], Any, str]] = [
    (types.Integer, -3, "0ffd"),
    (types.Long, -300, "10fed4"),
    (types.DoubleLong, -70000, "05fffeee90"),
    (types.Long64, -1, "14ffffffffffffffff"),
    (types.Unsigned, 200, "11c8"),
    (types.LongUnsigned, 40000, "129c40"),
    (types.DoubleLongUnsigned, 3_000_000_000, "06b2d05e00"),
    (types.Long64Unsigned, 1 << 63, "158000000000000000"),
    (types.EnumCode, 30, "161e"),
    (types.Bcd, 0x12, "0d12"),
    (types.Enum(Colour), Colour.BLUE, "1602"),
    (types.Enum(Colour), 9, "1609"),
    (types.Boolean, False, "0300"),
    (types.Float32, 1.5, "173fc00000"),
    (types.Float64, -0.5, "18bfe0000000000000"),
    (types.VisibleString, "abc", "0a03616263"),
    (types.Utf8, "°", "0c02c2b0"),
    (types.Null, None, "00"),
    (types.OctetString, b"\x01\x02", "09020102"),
    (types.sized_octets(2), b"\x01\x02", "09020102"),
    (types.BitStringType(24), BitString(24, b"\x00\x7e\x1f"), "0418007e1f"),
    (types.LogicalName, Obis.parse("1-0:1.8.0*255"), "09060100010800ff"),
    (types.DateTimeType, DateTime(TWELVE), "090c" + TWELVE.hex()),
    (types.DateTimeTagged, DateTime(TWELVE), "19" + TWELVE.hex()),
    (types.DateType, Date(TWELVE[:5]), "0905" + TWELVE[:5].hex()),
    (types.TimeType, Time(TWELVE[5:9]), "0904" + TWELVE[5:9].hex()),
    (types.AnyData, (Tag.UNSIGNED, 5), "1105"),
    (types.AnyNumber, (Tag.LONG, -5), "10fffb"),
    (types.ArrayOf(types.Unsigned), [1, 2, 3], "0103110111021103"),
    (PAIR, Pair(7, b"x"), "02021107090178"),
    (types.Choice(types.Unsigned, types.OctetString), b"x", "090178"),
    (types.Choice(types.Unsigned, types.OctetString), 3, "1103"),
    (types.Nullable(types.Unsigned), None, "00"),
    (types.Nullable(types.Unsigned), 4, "1104"),
]


@pytest.mark.parametrize(("kind", "value", "octets"), EXAMPLES, ids=lambda item: str(item)[:40])
def test_values_go_both_ways(kind: types.DataType[Any], value: Any, octets: str) -> None:
    encoded = axdr.encode(kind.dump(value))
    assert encoded.hex() == octets
    loaded = kind.load(axdr.decode(encoded))
    assert loaded == value
    assert type(loaded) is type(value)
    assert encoded[0] in kind.tags
    assert kind.describe()


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (types.Unsigned, "0f01"),
        (types.Boolean, "1101"),
        (types.Enum(Colour), "1101"),
        (types.sized_octets(2), "090101"),
        (types.BitStringType(8), "040780"),
        (types.LogicalName, "090501000108ff"),
        (types.DateTimeType, "090b" + TWELVE[:11].hex()),
        (types.DateType, "0904" + TWELVE[:4].hex()),
        (types.AnyNumber, "090101"),
        (types.ArrayOf(types.Unsigned), "01021101090101"),
        (PAIR, "02011107"),
        (PAIR, "020211070a0178"),
        (types.Choice(types.Unsigned, types.OctetString), "0300"),
        (types.Nullable(types.Unsigned), "1201ff"),
    ],
)
def test_other_types_are_refused(kind: types.DataType[Any], octets: str) -> None:
    with pytest.raises(DecodeError):
        kind.load(axdr.decode(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (types.Unsigned, 256),
        (types.Unsigned, True),
        (types.Integer, "1"),
        (types.Boolean, 1),
        (types.Float32, "1"),
        (types.VisibleString, b"x"),
        (types.Null, 0),
        (types.OctetString, "x"),
        (types.sized_octets(2), b"x"),
        (types.BitStringType(8), BitString(4, b"\xf0")),
        (types.BitStringType(8), b"\xf0"),
        (types.LogicalName, b"12345"),
        (types.DateTimeType, TWELVE),
        (types.AnyData, 5),
        (types.AnyNumber, (Tag.OCTET_STRING, b"")),
        (types.ArrayOf(types.Unsigned), b"abc"),
        (PAIR, (1,)),
        (types.Choice(types.Unsigned, types.OctetString), "x"),
    ],
)
def test_values_that_do_not_fit(kind: types.DataType[Any], value: Any) -> None:
    with pytest.raises(UsageError):
        kind.dump(value)


def test_a_structure_needs_a_type_for_each_field() -> None:
    with pytest.raises(UsageError):
        types.Structure(Pair, types.Unsigned)


def test_date_times_come_in_either_form() -> None:
    plain = types.DateTimeType.load((Tag.OCTET_STRING, TWELVE))
    tagged = types.DateTimeType.load((Tag.DATE_TIME, DateTime(TWELVE)))
    assert plain == tagged == DateTime(TWELVE)
    assert type(plain) is type(tagged) is DateTime


def test_overlapping_choice_tries_both() -> None:
    either = types.Choice(types.sized_octets(2), types.sized_octets(3))
    assert either.load((Tag.OCTET_STRING, b"abc")) == b"abc"
    with pytest.raises(DecodeError):
        either.load((Tag.OCTET_STRING, b"a"))


def test_words() -> None:
    assert types.ScalerUnitType.describe() == "structure {scaler: integer, unit: enum}"
    assert types.Enum(Colour).describe() == "enum (1 red, 2 blue)"
    assert types.Nullable(types.ArrayOf(types.Integer)).describe() == "array of integer or nothing"
    assert repr(types.Unsigned) == "<unsigned>"


@given(st.binary(max_size=60))
def test_only_decode_errors(octets: bytes) -> None:
    try:
        data = axdr.decode(octets)
    except DecodeError:
        return
    for kind, _, _ in EXAMPLES:
        with suppress(DecodeError):
            kind.load(data)


@pytest.mark.parametrize(
    ("kind", "known", "unknown"),
    [
        (types.Enum(Colour), (22, 2), (22, 3)),
        (types.EnumCode, (22, 3), None),
        (types.ArrayOf(types.Enum(Colour)), (1, [(22, 1), (22, 2)]), (1, [(22, 1), (22, 0)])),
        (
            types.Structure(Pair, types.Enum(Colour), types.OctetString),
            (2, [(22, 1), (9, b"")]),
            (2, [(22, 9), (9, b"")]),
        ),
        (types.Nullable(types.Enum(Colour)), (0, None), (22, 9)),
        (types.Choice(types.Enum(Colour), types.Unsigned), (17, 9), (22, 9)),
    ],
)
def test_every_enum_in_a_value_has_a_name_or_it_is_not_known(
    kind: types.DataType[Any], known: Any, unknown: Any
) -> None:
    assert kind.knows(known)
    if unknown is not None:
        kind.load(unknown)
        assert not kind.knows(unknown)
