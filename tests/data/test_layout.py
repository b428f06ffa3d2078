from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.data import axdr, columnar, compact, kinds, layout
from ferraris.data.axdr import Limits
from ferraris.data.columnar import OctetColumn
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data, plain

from .mutation import mutated, survive  # noqa: TID252
from .strategies import DATA, SIMPLE, of_description  # noqa: TID252

START = 1_577_833_200  # 2019-12-31T23:00Z


def stamp(row: int) -> bytes:
    return bytes(DateTime.from_epoch(START + 900 * row))


def regular(row: int) -> Data:
    values = [kinds.double_long_unsigned(1000 * n + row) for n in range(4)]
    return kinds.structure(kinds.octet_string(stamp(row)), kinds.unsigned(row & 7), *values)


def compressed(row: int) -> Data:
    """As `regular`, but the clock only each fourth row and the last value only each second."""
    cells = regular(row)[1]
    if row % 4:
        cells[0] = kinds.null_data()
    if row % 2:
        cells[5] = kinds.null_data()
    return (2, cells)


def buffer(make: Callable[[int], Data], count: int) -> bytes:
    return axdr.encode(kinds.array(*map(make, range(count))))


def one_by_one(octets: bytes, *, fill: bool) -> list[tuple[Any, ...]]:
    """What `layout.rows` must give, the slow and obvious way."""
    tag, value = axdr.decode(octets)
    rows = value if tag == 1 else compact.elements(value)
    found: list[tuple[Any, ...]] = []
    for row in rows:
        cells = row[1] if row[0] == 2 else [row]
        above = found[-1] if found and len(found[-1]) == len(cells) else (None,) * len(cells)
        values = []
        for n, cell in enumerate(cells):
            if fill and cell[0] in (0, 255):
                values.append(above[n])
            elif fill and 28 <= cell[0] <= 33:
                if type(above[n]) is not int:
                    raise DecodeError("nothing above")
                values.append(above[n] + cell[1])
            else:
                values.append(plain(cell))
        found.append(tuple(values))
    return found


@pytest.mark.parametrize("count", [0, 1, 2, 96, 127, 128, 1000])
@pytest.mark.parametrize("make", [regular, compressed])
def test_rows(make: Callable[[int], Data], count: int) -> None:
    octets = buffer(make, count)
    assert layout.rows(octets) == one_by_one(octets, fill=True)
    assert layout.rows(octets, fill_null=False) == one_by_one(octets, fill=False)


def test_clock_goes_on_by_the_capture_period() -> None:
    octets = buffer(compressed, 10)
    found = layout.rows(octets, clock=0, capture_period=900)
    assert [row[0] for row in found] == [stamp(row) for row in range(10)]
    nothing = axdr.encode((1, [(2, [(0, None), (17, 1)])] * 2))
    assert layout.rows(nothing, clock=0, capture_period=900) == [(None, 1), (None, 1)]


def test_published_row_with_null_clock() -> None:
    octets = bytes.fromhex(
        "01040204090c07e30c1f0217000000ffc400110606000005ed06000006540204001106"
        "06000005ed0600000654020400110606000005ed0600000654020400110606000005ed0600000654"
    )
    found = layout.rows(octets, clock=0, capture_period=900)
    assert [row[1:] for row in found] == [(6, 1517, 1620)] * 4
    assert DateTime(found[3][0]).hour == 23
    assert DateTime(found[3][0]).minute == 45
    assert layout.rows(octets, fill_null=False)[1] == (None, 6, 1517, 1620)


def test_deltas_add_up() -> None:
    rows = [(2, [(6, 100), (20, -5)])] + [(2, [(31, n), (28, -n)]) for n in range(5)]
    octets = axdr.encode((1, rows))
    assert layout.rows(octets) == [
        (100, -5), (100, -5), (101, -6), (103, -8), (106, -11), (110, -15),
    ]  # fmt: skip
    assert layout.rows(octets, fill_null=False)[2] == (1, -1)
    with pytest.raises(DecodeError, match="delta"):
        layout.rows(axdr.encode((1, rows[1:])))


def test_compact_array_buffer() -> None:
    description = (2, ((9, None), (17, None), (6, None)))
    made = compact.pack(description, [(2, regular(row)[1][:3]) for row in range(50)])
    octets = axdr.encode((19, made))
    assert layout.rows(octets) == [row[:3] for row in layout.rows(buffer(regular, 50))]
    nested = axdr.decode(bytes.fromhex("13010002110401020304"))
    assert layout.rows(axdr.encode(nested)) == [([1, 2],), ([3, 4],)]


@st.composite
def tables(draw: Any) -> bytes:
    """Buffers of a few kinds of rows, each repeated, some of them irregular."""
    shapes = draw(st.lists(st.lists(SIMPLE, max_size=5), min_size=1, max_size=4))
    rows: list[Data] = []
    for _ in range(draw(st.integers(0, 6))):
        row = (2, list(draw(st.sampled_from(shapes))))
        if draw(st.integers(0, 4)) == 0:
            row = draw(DATA)
        rows += [row] * draw(st.integers(1, 40))
    return axdr.encode((1, rows))


@given(tables(), st.booleans())
@settings(max_examples=200)
def test_always_as_one_by_one(octets: bytes, fill: bool) -> None:
    try:
        expected: Any = one_by_one(octets, fill=fill)
    except DecodeError:
        expected = None
    try:
        found: Any = layout.rows(octets, fill_null=fill)
    except DecodeError:
        found = None
    # A float that is no number keeps its octets only one by one; both show the same text.
    assert repr(found) == repr(expected)


@given(st.data())
@settings(max_examples=60)
def test_compact_always_as_one_by_one(data: Any) -> None:
    tags = data.draw(
        st.lists(st.sampled_from((0, 3, 4, 6, 9, 10, 17, 23, 25)), min_size=1, max_size=4)
    )
    description = (2, tuple((tag, None) for tag in tags))
    values = data.draw(st.lists(of_description(description), max_size=5)) * 8
    octets = axdr.encode((19, compact.pack(description, values)))
    try:
        expected: Any = one_by_one(octets, fill=True)
    except DecodeError:
        expected = None
    try:
        found: Any = layout.rows(octets)
    except DecodeError:
        found = None
    assert repr(found) == repr(expected)


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("", 0),
        ("0500000000", 0),
        ("0102", 1),
        ("0184ffffffff", 1),
        ("01010201110500", 6),
        ("010202011105", 6),
        ("01020201110502011105ff", 10),
        ("0102020111050201ab", 8),
        ("1302020000", 5),
        ("13020200000100", 6),
        ("130111", 1),
    ],
)
def test_bad_buffers(octets: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        layout.rows(bytes.fromhex(octets))
    assert caught.value.offset == offset


def test_limits() -> None:
    octets = buffer(regular, 20)
    with pytest.raises(DecodeError):
        layout.rows(octets, limits=Limits(max_count=19))
    with pytest.raises(DecodeError):
        layout.rows(octets, limits=Limits(max_octets=100))
    packed = axdr.encode((19, kinds.CompactArray((2, ((17, None),)), bytes(30))))
    assert len(layout.rows(packed)) == 30
    with pytest.raises(DecodeError):
        layout.rows(packed, limits=Limits(max_count=29))


def test_alternating_rows_take_no_quadratic_work(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    run = layout.Layout.run

    def counted(self: layout.Layout, octets: bytes, position: int, count: int) -> int:
        nonlocal looked
        looked += count
        return run(self, octets, position, count)

    monkeypatch.setattr(layout.Layout, "run", counted)
    octets = axdr.encode((1, [(2, [(17, 1)]), (2, [(18, 1)])] * 3000))
    assert len(layout.rows(octets)) == 6000
    assert looked < 6000 * 25


SEEDS = [
    buffer(regular, 4),
    buffer(compressed, 6),
    axdr.encode((1, [(2, [(6, 9), (10, "x")]), (2, [(31, 1), (0, None)])])),
    axdr.encode((19, compact.pack((2, ((9, None), (18, None))), [(2, [(9, b"ab"), (18, 7)])] * 5))),
    bytes.fromhex("1302021102ff00090102030405060708090a"[:-2]),
]


@pytest.mark.parametrize("read", [layout.rows, columnar.columns])
def test_mutated(read: Callable[[bytes], object]) -> None:
    survive(read, SEEDS)


def test_mutated_as_one_by_one() -> None:
    for octets in mutated(SEEDS, 4_000, seed=3):
        try:
            expected = repr(one_by_one(octets, fill=True)) if octets[:1] in (b"\1", b"\x13") else ""
        except DecodeError:
            expected = ""
        try:
            found = repr(layout.rows(octets))
        except DecodeError:
            found = ""
        assert found == expected, octets.hex()


@pytest.mark.parametrize("make", [regular, compressed])
@pytest.mark.parametrize("count", [1, 5, 200])
def test_columns_without_numpy(make: Callable[[int], Data], count: int) -> None:
    octets = buffer(make, count)
    found = columnar.columns(octets)
    assert [list(column) for column in found] == [
        list(x) for x in zip(*layout.rows(octets), strict=True)
    ]
    assert isinstance(found[0], OctetColumn)
    assert found[1].typecode == "B"  # type: ignore[attr-defined]


def test_octet_column() -> None:
    column = columnar.columns(buffer(compressed, 9))[0]
    rows = [row[0] for row in layout.rows(buffer(compressed, 9))]
    assert [column[n] for n in range(-9, 9)] == rows * 2
    assert column[2:5] == rows[2:5]
    assert column == rows
    assert len(column) == 9
    with pytest.raises(IndexError):
        column[9]


def test_columns_of_other_kinds() -> None:
    rows = [(2, [(10, "a"), (0, None)]), (2, [(17, 5), (4, kinds.BitString.from_text("1"))])]
    assert columnar.columns(axdr.encode((1, rows))) == [["a", 5], [None, "1"]]
    assert columnar.columns(b"\x01\x00") == []
    with pytest.raises(DecodeError, match="different"):
        columnar.columns(axdr.encode((1, [(2, []), (2, [(17, 1)])])))
