from __future__ import annotations

from array import array
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ferraris.core.errors import DecodeError, UsageError
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import BitString
from ferraris.data.obis import Obis
from ferraris.data.readings import (
    Channel,
    Event,
    Operation,
    Outcome,
    Quality,
    Reading,
    Series,
    instant,
)

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
IMPORT = Channel(Obis.parse("1.8.0"), 3, 2, -3, 30)
EXPORT = Channel(Obis.parse("2.8.0"), 3, 2, 1, 30)
BACK = int(datetime(2024, 10, 26, 22, tzinfo=UTC).timestamp())  # midnight before summer time ends


def local(seconds: int) -> bytes:
    """As a clock without deviation and status shows it in Amsterdam."""
    return bytes(
        DateTime.from_datetime(datetime.fromtimestamp(seconds, AMSTERDAM).replace(tzinfo=None))
    )


def made(count: int = 20) -> Series:
    rows = [(local(BACK + 900 * n), 1000 + n, 8 if n else None, 5 + n) for n in range(count)]
    return Series.from_rows(
        rows, [IMPORT, EXPORT], status=2, zone=AMSTERDAM, device="m1", profile="load"
    )


def test_axis_through_a_repeated_hour() -> None:
    series = made()
    assert list(series.ends) == [BACK + 900 * n for n in range(20)]
    ambiguous = [n for n in range(20) if series.quality[n] & Quality.AMBIGUOUS_TIME]
    assert ambiguous == list(range(8, 16))
    assert series.status[:2] == [None, 8]
    assert series.stamps[3] == local(BACK + 2700)
    assert list(series.rows())[1] == (BACK + 900, 1001, 6)
    assert len(series) == 20
    assert series == made()
    assert series != made(19)
    assert series != 5
    assert "20 x 2" in repr(series)


def test_exact_values() -> None:
    series = made(2)
    assert series.scaled(0) == [Decimal("1.000"), Decimal("1.001")]
    assert series.scaled(1) == [50, 60]
    first, second, *_ = series.readings()
    assert str(first.name) == "1-0:1.8.0*255"
    assert (str(first.value), str(first.unit), first.device) == ("1.000", "Wh", "m1")
    assert first.time == datetime.fromtimestamp(BACK, UTC)
    assert second.value == 50


def test_rows_without_an_instant_are_kept() -> None:
    wild = bytes(DateTime.of())
    rows: list[tuple[Any, ...]] = [(wild, 1), (bytes(DateTime.from_epoch(900)), 2), (None, 3)]
    series = Series.from_rows(rows, [IMPORT])
    assert list(series.ends) == [900]
    assert series.undated == [(wild, 1), (None, 3)]
    assert Series.from_rows([([1], 2)], [IMPORT]).undated == [([1], 2)]
    empty = Series.from_rows([(None, 3)], [IMPORT])
    assert (len(empty), empty.columns, empty.undated) == (0, [[]], [(None, 3)])
    assert len(Series.from_rows([], [IMPORT])) == 0


def test_rows_of_another_width() -> None:
    with pytest.raises(DecodeError, match="3 columns"):
        Series.from_rows([(local(0), 1)], [IMPORT, EXPORT])
    with pytest.raises(UsageError):
        Series("m", "p", array("q", [1]), [IMPORT], [[1, 2]])
    with pytest.raises(UsageError):
        Series("m", "p", array("q", [1]), [IMPORT], [])


def test_status_of_several_kinds() -> None:
    stamps = [bytes(DateTime.from_epoch(n)) for n in range(4)]
    marks = [7, b"\x01\x02", BitString(8, b"\x80"), "odd"]
    rows = [(stamp, mark, 1) for stamp, mark in zip(stamps, marks, strict=True)]
    assert Series.from_rows(rows, [IMPORT], status=1).status == [7, 258, 128, None]


@pytest.mark.parametrize(
    ("status", "quality"),
    [
        (None, Quality.GOOD),
        (0xFF, Quality.GOOD),
        (0x80, Quality.GOOD),
        (0x81, Quality.INVALID_TIME),
        (0x08, Quality.INVALID_TIME),
        (0x02, Quality.DOUBTFUL),
    ],
)
def test_quality_of_a_clock(status: int | None, quality: Quality) -> None:
    assert Quality.from_clock_status(status) == quality
    stamp = DateTime.of(2024, 1, 1, None, 0, 0, 0, 0, 0, status)
    assert instant(bytes(stamp)) == (1704067200, quality)


def test_small_ones() -> None:
    assert Reading("m", "x", 1).quality is Quality.GOOD
    assert Event("m", "log", None, 5).values == ()
    assert Operation("m", "disconnect").outcome is Outcome.PENDING
    assert Outcome("unknown") is Outcome.UNKNOWN
    assert instant(5) is None


def test_arrow() -> None:
    pytest.importorskip("pyarrow")
    table = made(3).to_arrow()
    assert table.column_names == ["end", "status", "quality", "1-0:1.8.0*255", "1-0:2.8.0*255"]
    assert table["1-0:1.8.0*255"].to_pylist() == [
        Decimal("1.000"),
        Decimal("1.001"),
        Decimal("1.002"),
    ]
    assert table["1-0:2.8.0*255"].to_pylist() == [50, 60, 70]
    assert table["end"].to_pylist()[1] == datetime.fromtimestamp(BACK + 900, UTC)
    assert table.field("1-0:1.8.0*255").metadata[b"unit"] == b"Wh"
    assert table.schema.metadata == {b"device": b"m1", b"profile": b"load"}


@pytest.mark.parametrize(
    ("column", "scaler", "expected"),
    [
        ([1, None], 0, [1, None]),
        ([2**64 - 1, 0], -2, [Decimal("184467440737095516.15"), Decimal("0.00")]),
        ([2**64 - 1, None], 0, [2**64 - 1, None]),
        ([5, 2**63], 100, ["5" + "0" * 100, str(2**63) + "0" * 100]),
        ([5], -60, ["5E-60"]),
        ([1.5, None], 0, [1.5, None]),
        (["a", None], 0, ["a", None]),
        ([b"a", None], 0, [b"a", None]),
        ([None, None], 0, [None, None]),
        ([1, "a"], 0, ["1", "a"]),
        ([True, None], 0, [True, None]),
    ],
)
def test_arrow_columns(column: list[Any], scaler: int, expected: list[Any]) -> None:
    pytest.importorskip("pyarrow")
    ends = array("q", range(len(column)))
    channels = [IMPORT._replace(scaler=scaler)] * 2
    table = Series("m", "p", ends, channels, [column, column]).to_arrow()
    assert table.column(3).to_pylist() == expected
    assert len(set(table.column_names)) == 5
