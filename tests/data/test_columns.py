from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferraris.core.errors import DecodeError
from ferraris.data import axdr, kinds, layout
from ferraris.data.date_time import DateTime, epoch
from ferraris.data.kinds import Data

from .mutation import survive  # noqa: TID252
from .test_layout import SEEDS, buffer, compressed, regular  # noqa: TID252

np = pytest.importorskip("numpy")
columns = pytest.importorskip("ferraris.data.columns")


@pytest.mark.parametrize("make", [regular, compressed])
@pytest.mark.parametrize("count", [1, 5, 500])
def test_columns(make: Callable[[int], Data], count: int) -> None:
    octets = buffer(make, count)
    expected = list(zip(*layout.rows(octets), strict=True))
    found = columns.columns(octets)
    assert [bytes(row) for row in found[0]] == list(expected[0])
    assert [column.tolist() for column in found[1:]] == [list(column) for column in expected[1:]]
    assert found[2].dtype == np.dtype(np.uint32)
    assert found[2].dtype.isnative
    assert found[2].flags.c_contiguous


def test_every_number_kind() -> None:
    low = [(tag, low) for tag, (low, _) in kinds.RANGES.items() if tag < 28]
    high = [(tag, high) for tag, (_, high) in kinds.RANGES.items() if tag < 28]
    found = columns.columns(axdr.encode((1, [(2, low), (2, high)] * 3)))
    assert [column.tolist() for column in found] == [
        [a[1], b[1]] * 3 for a, b in zip(low, high, strict=True)
    ]


def test_other_kinds_are_objects() -> None:
    rows = [(2, [(9, b"a"), (10, "x")]), (2, [(9, b"bc"), (0, None)])]
    found = columns.columns(axdr.encode((1, rows)))
    assert [column.tolist() for column in found] == [[b"a", b"bc"], ["x", "x"]]
    assert columns.columns(b"\x01\x00") == []
    uneven = [(2, [(9, b"a")]), (2, [(9, b"bc")])]
    assert columns.columns(axdr.encode((1, uneven)))[0].tolist() == [b"a", b"bc"]
    with pytest.raises(DecodeError, match="different"):
        columns.columns(axdr.encode((1, [(2, []), (2, [(17, 1)])])))


def test_mutated() -> None:
    survive(columns.columns, SEEDS, 3_000)


@given(st.lists(st.binary(min_size=12, max_size=12), min_size=1, max_size=20))
@settings(max_examples=60)
def test_clocks_as_epoch(stamps: list[bytes]) -> None:
    stamps = [*stamps, bytes(DateTime.from_datetime(datetime(2024, 2, 29, 23, 59, tzinfo=UTC)))]
    stamps += [b"\x07\xe8\x02" + stamp[3:] for stamp in stamps]
    raw = np.frombuffer(b"".join(stamps), np.uint8).reshape(-1, 12)
    seconds, valid = columns.clock_seconds(raw)
    expected = [epoch(stamp) for stamp in stamps]
    assert valid.tolist() == [value is not None for value in expected]
    assert seconds.tolist() == [value or 0 for value in expected]


def test_clocks_of_another_shape() -> None:
    with pytest.raises(DecodeError):
        columns.clock_seconds(np.zeros((2, 11), np.uint8))
