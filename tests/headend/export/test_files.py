"""Files and streams of an export: whole or not there, and read by others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest
from pyarrow import dataset, parquet
from tests.headend.export.conftest import DAY, FIRST
from tests.headend.export.expecting import at, expected, shown

from ferraris.core.errors import UsageError
from ferraris.headend.export.columns_files import (
    arrow_stream,
    frame,
    parquet_stream,
    record_batches,
    table,
    write_arrow,
    write_days,
    write_parquet,
)
from ferraris.headend.export.files import clear_parts, whole_file
from ferraris.headend.store.sealing import ErasedError, NoSealer


@pytest.fixture
def location(tmp_path):
    """How files are made does not depend on the back end; `test_columns` reads from both."""
    return str(tmp_path / "store.sqlite")


def test_streams_and_files_hold_the_same(gathering, tmp_path):
    steps = []
    given = table(gathering())
    stream = b"".join(arrow_stream(gathering(), lambda *step: steps.append(step)))
    with pa.ipc.open_stream(stream) as reader:
        assert reader.read_all().equals(given)
    assert steps == [(1, 1)]
    (tmp_path / "one.parquet").write_bytes(b"".join(parquet_stream(gathering())))
    assert write_parquet(gathering(), tmp_path / "two.parquet") == given.num_rows
    for name in ("one.parquet", "two.parquet"):
        found = parquet.read_table(tmp_path / name)
        assert shown(found.to_pylist()) == expected()
        assert found.schema.field("meter").type == given.schema.field("meter").type
    assert write_arrow(gathering(), tmp_path / "x.arrows") == given.num_rows
    with pa.ipc.open_stream((tmp_path / "x.arrows").read_bytes()) as reader:
        assert reader.read_all().equals(given)
    assert record_batches(gathering()).schema == given.schema
    data = frame(gathering())
    assert str(data["value"].dtype) == "Int64"
    assert str(data["meter"].dtype) == "category"
    assert data["value"].tolist() == given["value"].to_pylist()
    assert b"".join(arrow_stream(gathering(profiles=("0-0:1.1.1*1",))))  # empty, and still a stream
    nothing = b"".join(parquet_stream(gathering(profiles=("0-0:1.1.1*1",))))
    assert parquet.read_table(pa.BufferReader(nothing)).num_rows == 0


def test_a_folder_of_days(gathering, tmp_path):
    folder, steps = tmp_path / "out", []
    assert write_days(gathering(), folder, "all", lambda *step: steps.append(step)) == 432
    assert steps == [(1, 3), (2, 3), (3, 3)]
    names = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.*"))
    days = [f"day=2026-03-{day}" for day in (11, 12, 13)]
    assert names == ["_export.json", *(f"{day}/readings.parquet" for day in days)]
    found = dataset.dataset(folder, partitioning="hive").to_table()
    assert shown(found.to_pylist()) == expected()
    assert set(found["day"].to_pylist()) == {"2026-03-11", "2026-03-12", "2026-03-13"}
    # Once more a part of it: days are whole, the others stay, nothing is there twice.
    before = {file: file.read_bytes() for file in folder.rglob("*.parquet")}
    (folder / days[1] / "readings.parquet").write_bytes(b"damaged")
    part = gathering(since_s=(FIRST + 1) * DAY + 5, until_s=(FIRST + 1) * DAY + 3600)
    assert write_days(part, folder, "all") == 144
    assert {file: file.read_bytes() for file in folder.rglob("*.parquet")} == before
    with pytest.raises(UsageError, match="another export"):
        write_days(gathering(), folder, "north")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not empty"):
        write_days(gathering(), tmp_path / "mine", "all")
    # A day without any value has no file, also when it had one.
    assert write_days(gathering(until_s=(FIRST + 9) * DAY), folder, "all") == 432
    assert len(list(folder.rglob("*.parquet"))) == 3


def test_what_was_erased_is_left_out_and_counted(gathering, tmp_path):
    class Erasing(NoSealer):
        def open(self, seal, octets, context):
            raise ErasedError(5.0)

    from ferraris.headend.export.columns_long import LongBatches

    given = gathering(sealer=Erasing(), registers=True, profiles=())
    made = LongBatches(given)
    assert [batch for portion in given.portions() for batch in made.batches(portion)] == []
    assert made.erased == 11
    write_days(gathering(), tmp_path / "out", "all")
    assert write_days(gathering(sealer=Erasing()), tmp_path / "out", "all") == 0
    assert list((tmp_path / "out").rglob("*.parquet")) == []  # nothing of it stays in the export


def test_a_failing_export_leaves_what_was_there(gathering, tmp_path):
    place = tmp_path / "a" / "x.parquet"
    write_parquet(gathering(), place)
    before = place.read_bytes()

    class Full(OSError):
        pass

    def fail(*_):
        raise Full(28, "No space left on device")

    with pytest.raises(UsageError, match="No space left"):
        write_parquet(gathering(), place, fail)
    assert place.read_bytes() == before
    assert os.listdir(place.parent) == ["x.parquet"]
    with pytest.raises(UsageError, match="below"):
        write_arrow(gathering(), place / "below")


def test_a_killed_export_leaves_no_file_that_looks_whole(tmp_path):
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from ferraris.headend.export.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    place = tmp_path / "day=2026-03-11" / "readings.parquet"
    killed = subprocess.run([sys.executable, "-c", program, str(place)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = place.parent.iterdir()
    assert left.suffix == ".part"
    with whole_file(place) as file:
        file.write(b"whole")
        clear_parts(tmp_path)  # ours lives
    assert os.listdir(place.parent) == ["readings.parquet"]
    assert place.read_bytes() == b"whole"


@pytest.mark.services
def test_duckdb_reads_the_days(gathering, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    write_days(gathering(), tmp_path / "out", "all")
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        rows = database.execute(
            'SELECT meter, channel, epoch("end")::BIGINT, value, scaler, version, day::VARCHAR '
            f"FROM read_parquet('{tmp_path}/out/*/*.parquet', hive_partitioning = true)"
        ).fetchall()
        found = {(row[0], row[1], at(row[2])): row[3:6] for row in rows}
        assert found == expected()
        assert all(str(at(row[2] - 1).date()) == row[6] for row in rows)
        (sums,) = database.execute(
            "SELECT sum(value * pow(10, scaler + 3))::BIGINT FROM "
            f"read_parquet('{tmp_path}/out/**/*.parquet') WHERE day = '2026-03-12'"
        ).fetchall()
    until = at((FIRST + 2) * DAY)
    day = [v for k, v in expected().items() if at((FIRST + 1) * DAY) < k[2] <= until]
    assert sums[0] == sum(value * 10 ** (scaler + 3) for value, scaler, _ in day)
