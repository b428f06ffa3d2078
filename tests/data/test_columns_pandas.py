"""Frames of pandas: exact, in UTC, with units."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series

pd = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet")

END = 1_795_003_200
LARGE = 2**53 + 1  # the first integer that no float holds


def made(*columns: list[Any], scalers: tuple[int, ...] = (0, -3)) -> Series:
    channels = [
        Channel(Obis.parse(name), 3, 2, scaler, unit)
        for name, scaler, unit in zip(
            ("1-0:1.8.0*255", "1-0:32.7.0*255"), scalers, (30, 35), strict=True
        )
    ]
    count = len(columns[0])
    return Series(
        "m1",
        "1-0:99.1.0*255",
        array("q", [END + 900 * n for n in range(count)]),
        channels,
        list(columns),
        status=[8, None, 0][:count],
        quality=array("H", [0, 1, 0][:count]),
    )


def test_types_and_index() -> None:
    frame = made([1, 2, 3], [230_100, 230_200, 230_300]).to_pandas()
    assert list(frame.columns) == ["status", "quality", "1-0:1.8.0*255", "1-0:32.7.0*255"]
    assert frame.index.name == "end"
    assert str(frame.index.tz) == "UTC"
    assert list(frame.index) == [
        pd.Timestamp(datetime.fromtimestamp(END + 900 * n, UTC)) for n in range(3)
    ]
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "UInt16", "Int64", "object"]
    assert list(frame["1-0:1.8.0*255"]) == [1, 2, 3]
    assert list(frame["1-0:32.7.0*255"]) == [
        Decimal("230.100"),
        Decimal("230.200"),
        Decimal("230.300"),
    ]


def test_units_travel_with_the_frame() -> None:
    frame = made([1], [2]).to_pandas()
    assert frame.attrs == {
        "device": "m1",
        "profile": "1-0:99.1.0*255",
        "units": {"1-0:1.8.0*255": "Wh", "1-0:32.7.0*255": "V"},
    }


def test_gaps_stay_gaps_and_their_neighbours_exact() -> None:
    frame = made([LARGE, None, 7], [None, 5, None]).to_pandas()
    energy = frame["1-0:1.8.0*255"]
    assert str(energy.dtype) == "Int64"
    assert int(energy.iloc[0]) == LARGE
    assert list(energy.isna()) == [False, True, False]
    assert list(frame["status"].isna()) == [False, True, False]
    voltage = frame["1-0:32.7.0*255"]
    assert voltage.iloc[1] == Decimal("0.005")
    assert list(voltage.isna()) == [True, False, True]


def test_a_day_is_cut_by_local_time() -> None:
    frame = made([1, 2, 3], [1, 2, 3]).to_pandas()
    local = frame.tz_convert("Europe/Vienna")
    assert [at.utcoffset().total_seconds() for at in local.index] == [3600.0] * 3
    assert int(frame["1-0:1.8.0*255"].diff().sum()) == 2


def test_an_empty_series_is_an_empty_frame() -> None:
    frame = made([], []).to_pandas()
    assert len(frame) == 0
    assert str(frame.index.tz) == "UTC"
    assert list(Series("m", "p", array("q", [END]), [], []).to_pandas().columns) == [
        "status",
        "quality",
    ]


def test_parquet_gives_back_what_went_in(tmp_path: Path) -> None:
    series = made([LARGE, None, 7], [None, 5, -1])
    file = tmp_path / "day.parquet"
    pq.write_table(series.to_arrow(), file)
    again = pq.read_table(file)
    for name in again.column_names:  # the format has no seconds: instants come in milliseconds
        assert again[name].to_pylist() == series.to_arrow()[name].to_pylist()
    assert again.field("1-0:32.7.0*255").metadata[b"unit"] == b"V"
    assert again.schema.metadata[b"device"] == b"m1"
