from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.headend.store.blocks import Rows, pack
from ferraris.headend.store.columns_arrays import BOUND, ColumnsReader, pack_columns, sheets_of
from ferraris.headend.store.columns_codec import pack_column, unpack_column

SMALL = st.integers(-3, 3)
ANY = st.integers(-BOUND + 1, BOUND - 1)
NUMBERS = st.one_of(
    st.just(0), SMALL, st.integers(0, 5000), st.integers(-70_000, 1 << 33), ANY
)  # fmt: skip


@st.composite
def matrices(draw):
    """Columns of one length, each of a kind of its own: noise, counters, zeros, extremes."""
    rows, kinds = draw(st.integers(1, 40)), draw(st.lists(st.integers(0, 3), min_size=1))
    found = []
    for kind in kinds:
        values = draw(st.lists(NUMBERS if kind == 3 else SMALL, min_size=rows, max_size=rows))
        if kind == 1:
            values = np.cumsum(np.abs(values)).tolist()
        elif kind == 2:
            values = [max(0, value - 2) for value in values]
        found.append(values)
    return found


@given(matrices())
def test_packs_the_same_octets(columns):
    assert pack_columns(np.array(columns, np.int64)) == list(map(pack_column, columns))


@given(matrices(), st.data())
def test_reads_what_was_packed(columns, data):
    columns = [
        column
        if not data.draw(st.booleans())
        else [None if data.draw(st.booleans()) else value for value in column]
        for column in columns
    ]
    reader, octets, at = ColumnsReader(len(columns[0])), b"", 0
    for column in columns:
        octets += pack_column(column)
        at = reader.add(octets, at)
        assert at == len(octets)
    values, known = reader.arrays()
    for row, column in enumerate(columns):
        assert known[row].tolist() == [value is not None for value in column]
        assert values[row].tolist() == [value or 0 for value in column]


def block(number, begin=900, rows=96, status=0):
    ends = array("q", range(begin, begin + 900 * rows, 900))
    columns = [[end // 7 * number for end in ends], [0] * rows, ["x"] * rows]
    return pack(Rows(ends, [], [status] * rows, columns, [number % 2] * rows))


def test_blocks_that_share_their_axis_are_one_sheet():
    bodies = [block(1), block(2, begin=86_400), block(3, status=4)]
    sheets = sheets_of(bodies, 3)
    assert [sheet.members for sheet in sheets] == [[0, 2], [1]]
    first = sheets[0]
    assert first.ends.tolist() == list(range(900, 86_401, 900))
    assert first.values[:, 0, 1].tolist() == [1800 // 7, 1800 // 7 * 3]
    assert first.known[:, :, 0].tolist() == [[True, True, False]] * 2
    assert first.status[:, 5].tolist() == [0, 4]
    assert first.quality[:, 5].tolist() == [1, 1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"",
        lambda body: b"\x02" + body[1:],
        lambda body: body[:-1],
        lambda body: body + b"\0",
        lambda body: body[:1] + b"\xff\xff\xff\xff\x7f" + body[2:],
    ],
)
def test_damage_is_a_decode_error(spoil):
    with pytest.raises(DecodeError):
        sheets_of([spoil(block(5))], 3)


def test_another_number_of_columns():
    with pytest.raises(DecodeError, match="2 columns"):
        sheets_of([block(1)], 2)


def test_numbers_beyond_are_unknown():
    column = [BOUND, 1, -BOUND]
    reader = ColumnsReader(3)
    reader.add(pack_column(column), 0)
    reader.add(pack_column([1 << 64] * 3), 0)
    values, known = reader.arrays()
    assert known.tolist() == [[False, True, False], [False] * 3]
    assert values[0].tolist() == [0, 1, 0]
    assert unpack_column(pack_column(column), 0, 3)[0] == column
