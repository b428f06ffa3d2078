"""A reader that we did not write understands our Parquet files."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ferraris.cli.columns_parquet import write_parquet
from ferraris.data.obis import Obis
from ferraris.data.readings import Channel, Series

pytestmark = pytest.mark.services

END = 1_795_003_200
LARGE = 2**53 + 1


def test_duckdb_reads_exact_numbers_gaps_and_instants(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    energy = Channel(Obis.parse("1-0:1.8.0*255"), 3, 2, 0, 30)
    voltage = Channel(Obis.parse("1-0:32.7.0*255"), 3, 2, -3, 35)
    columns = [[LARGE, None, 7], [230_100, None, -1]]
    ends = array("q", [END, END + 900, END + 1800])
    file = tmp_path / "day.parquet"
    write_parquet(Series("m1", "1-0:99.1.0*255", ends, [energy, voltage], columns), file)
    with duckdb.connect() as database:
        rows = database.execute(
            'select epoch("end"), "1-0:1.8.0*255", "1-0:32.7.0*255" from read_parquet(?)',
            [str(file)],
        ).fetchall()
        kinds = dict(
            database.execute(
                "select column_name, column_type from (describe select * from read_parquet(?))",
                [str(file)],
            ).fetchall()
        )
        told = dict(
            database.execute(
                "select decode(key), decode(value) from parquet_kv_metadata(?)", [str(file)]
            ).fetchall()
        )
    assert rows == [
        (END, LARGE, Decimal("230.100")),
        (END + 900, None, None),
        (END + 1800, 7, Decimal("-0.001")),
    ]
    assert datetime.fromtimestamp(rows[0][0], UTC).year == 2026
    assert kinds["end"] == "TIMESTAMP WITH TIME ZONE"
    assert kinds["1-0:1.8.0*255"] == "BIGINT"
    assert kinds["1-0:32.7.0*255"].startswith("DECIMAL(38,3")
    assert told["device"] == "m1"
