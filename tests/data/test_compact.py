from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data import axdr, compact, kinds
from ferraris.data.axdr import Limits
from ferraris.data.kinds import CompactArray, plain

from .mutation import survive  # noqa: TID252
from .strategies import DESCRIPTION, of_description  # noqa: TID252


@pytest.mark.parametrize(
    ("octets", "values"),
    [
        ("13120400010002", [1, 2]),
        ("13020211060a01000000020300000004", [[1, 2], [3, 4]]),
        ("13010002110401020304", [[1, 2], [3, 4]]),
        (
            "1302021101000209 09 01 02aabb 00 02 00 01ff",
            [[1, [b"\xaa\xbb", b""]], [2, [b"", b"\xff"]]],
        ),
        ("1300 00", []),
        ("130904 0161 0162", [b"a", b"b"]),
        ("13020200110201 02", [[None, 1], [None, 2]]),
        ("1303020001", [False, True]),
        ("131c02ff01", [-1, 1]),
    ],
)
def test_published_and_made(octets: str, values: list[Any]) -> None:
    raw = bytes.fromhex(octets.replace(" ", ""))
    data = axdr.decode(raw)
    assert plain(data) == values
    assert axdr.encode(data) == raw
    found = compact.elements(data[1])
    assert compact.pack(data[1].description, found) == data[1]


@st.composite
def described(draw: Any) -> tuple[kinds.Description, list[kinds.Data]]:
    description = draw(DESCRIPTION)
    return description, draw(st.lists(of_description(description), max_size=4))


@given(described())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_elements_survive(case: tuple[kinds.Description, list[kinds.Data]]) -> None:
    description, values = case
    made = compact.pack(description, values)
    data = axdr.decode(axdr.encode((19, made)))
    assert data == (19, made)
    if compact.fixed_size(description) is not None:
        assert len(made.contents) == compact.fixed_size(description) * len(values)
    if made.contents and not any(
        compact.pack(description, [value]).contents == b"" for value in values
    ):
        assert compact.elements(made) == values


def test_describe() -> None:
    value = kinds.structure(
        kinds.array(kinds.unsigned(1), kinds.unsigned(2)), kinds.octet_string(b"")
    )
    assert compact.describe(value) == (2, ((1, (2, (17, None))), (9, None)))
    assert compact.pack(compact.describe(value), [value, value]).contents == b"\1\2\0\1\2\0"
    for wrong in (kinds.array(), (19, CompactArray((17, None), b""))):
        with pytest.raises(UsageError):
            compact.describe(wrong)


@pytest.mark.parametrize(
    ("description", "value"),
    [
        ((17, None), (18, 1)),
        ((1, (2, (17, None))), (1, [(17, 1)])),
        ((2, ((17, None),)), (2, [])),
        ((19, None), (19, None)),
    ],
)
def test_what_does_not_fit(description: Any, value: Any) -> None:
    with pytest.raises(UsageError):
        compact.pack(description, [value])


@pytest.mark.parametrize(
    ("array", "offset"),
    [
        (CompactArray((18, None), b"\0\1\0"), 2),
        (CompactArray((0, None), b"\0"), 0),
        (CompactArray((2, ()), b"\0"), 0),
        (CompactArray((9, None), b"\1a\5a"), 2),
        (CompactArray((1, (65535, (1, (65535, (0, None))))), b"\0"), 0),
    ],
)
def test_bad_contents(array: CompactArray, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        compact.elements(array, Limits(max_count=1000))
    assert caught.value.offset == offset
    assert caught.value.where == "compact-array"


def test_mutated() -> None:
    seeds = [
        bytes.fromhex(octets)
        for octets in (
            "13120400010002",
            "13020211060a01000000020300000004",
            "13010002110401020304",
            "1302021101000209090102aabb00020001ff".replace(" ", ""),
            "1302031902020f16011b0102090c07e30c1f0217000000ffc4001e0507e30c1f02",
        )
    ]
    limits = Limits(max_count=2_000)

    def read(octets: bytes) -> None:
        data = axdr.decode(octets, limits)
        if data[0] == 19:
            compact.elements(data[1], limits)

    survive(read, seeds)
