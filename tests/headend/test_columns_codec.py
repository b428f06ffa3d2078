from __future__ import annotations

import contextlib
import math
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import BitString
from ferraris.headend.store.columns_codec import pack_column, unpack_column

WHOLE = st.integers(-(1 << 63), (1 << 64) - 1)
VALUE = st.one_of(
    WHOLE,
    st.integers(-5, 5),
    st.integers(),
    st.none(),
    st.binary(max_size=9),
    st.text(max_size=5),
    st.booleans(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
)


def back(values):
    octets = pack_column(values)
    found, end = unpack_column(octets, 0, len(values))
    assert end == len(octets)
    return found


@given(st.lists(st.one_of(WHOLE, st.integers(0, 3)), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whole_numbers_come_back(values):
    assert back(values) == values


@given(st.lists(VALUE, min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_mix_comes_back(values):
    assert back(values) == values


@pytest.mark.parametrize("bits", range(1, 65))
def test_every_width(bits):
    source = random.Random(bits)
    values = [source.getrandbits(bits) for _ in range(50)]
    assert back(values) == values
    assert back([-(value >> 1) for value in values]) == [-(value >> 1) for value in values]


def test_kinds_stay_what_they_are():
    values = [
        DateTime(bytes.fromhex("07E60101060A0F0000FFC400")),
        BitString(3, b"\xa0"),
        Decimal("1.500"),
        True,
        b"",
        "",
        2.5,
        [1, b"x", [None]],
        (1, Decimal("NaN"), "a"),
        1 << 5000,
    ]
    found = back(values)
    assert [type(value) for value in found] == [type(value) for value in values]
    assert str(found) == str(values)
    assert math.isnan(back([math.nan, None])[0])


def test_energy_of_a_day_costs_about_two_octets():
    source = random.Random(1)
    value, values = 10_000_000, []
    for _ in range(96):
        value += int(source.gammavariate(1.5, 200))
        values.append(value)
    assert len(pack_column(values)) <= 2 * 96


def test_constant_and_empty_columns_are_tiny():
    assert len(pack_column([7] * 96)) == 2
    assert pack_column([None] * 96) == pack_column([]) == b"\0"


def test_foreign_objects_are_refused():
    with pytest.raises(UsageError, match="cannot hold"):
        pack_column([object()])


def test_damage_is_a_decode_error():
    source = random.Random(5)
    samples = [
        pack_column([source.randrange(10**6) for _ in range(20)]),
        pack_column([None, 1, 2, None] * 5),
        pack_column([b"a", 2.5, None, "x"] * 5),
        pack_column([3] * 20),
    ]
    for _ in range(10_000):
        octets = bytearray(source.choice(samples))
        for _ in range(source.randrange(1, 4)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        del octets[source.randrange(1, len(octets) + 1) :]
        with contextlib.suppress(DecodeError):
            unpack_column(bytes(octets), 0, 20)
