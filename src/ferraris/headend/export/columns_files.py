"""Arrow streams, Parquet and pandas out of an export. Needs the `data` extra.

Parquet by day is a folder of `day=YYYY-MM-DD/readings.parquet`, one file for each whole UTC day
that has values; written again, a day takes the place of the older file. `_export.json` says what
the folder holds, so that nothing else is put among it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Any, Final

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from ferraris.headend.export.columns_long import LongBatches
from ferraris.headend.export.files import claim_folder, whole_file
from ferraris.headend.export.gathering import Gathering
from ferraris.headend.export.selection import Progress

__all__ = [
    "FILE",
    "arrow_stream",
    "frame",
    "parquet_stream",
    "record_batches",
    "rows_in",
    "table",
    "write_arrow",
    "write_days",
    "write_parquet",
]

FILE: Final = "readings.parquet"
# Columns of names and of what hardly changes shrink to a tenth; every Arrow library reads it.
_PACKED: Final = pa.ipc.IpcWriteOptions(compression="lz4")
_EPOCH: Final = date(1970, 1, 1)
_GROUP_ROWS: Final = 1 << 20
_CHUNK: Final = 1 << 16
_WORDS: Final = ("meter", "profile", "channel", "unit", "kind", "final_quality", "final_rule")
_RISING: Final = ("end", "stored", "value", "final", "version")
# pandas would make floats of integers with gaps, which are not exact.
_EXACT: Final = {
    pa.int64(): pd.Int64Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.int8(): pd.Int8Dtype(),
}


def record_batches(gathering: Gathering, progress: Progress | None = None) -> Any:
    """A `pyarrow.RecordBatchReader` over the export; what it holds at a time is one portion."""
    made = LongBatches(gathering)
    return pa.RecordBatchReader.from_batches(made.schema, _batches(made, gathering, progress))


def rows_in(place: Path) -> int:
    """How many values a Parquet file has."""
    return int(parquet.read_metadata(place).num_rows)


def table(gathering: Gathering) -> Any:
    """The export as one `pyarrow.Table`, all of it in memory."""
    return record_batches(gathering).read_all()


def frame(gathering: Gathering) -> pd.DataFrame:
    """The export as a pandas frame, all of it in memory: exact integers, names as categories."""
    return table(gathering).to_pandas(types_mapper=_EXACT.get)


def arrow_stream(gathering: Gathering, progress: Progress | None = None) -> Iterator[bytes]:
    """The export as an Arrow IPC stream with LZ4 inside, in chunks."""
    made = LongBatches(gathering)
    sink = _Sink()
    with pa.ipc.new_stream(sink, made.schema, options=_PACKED) as writer:
        for batch in _batches(made, gathering, progress):
            writer.write_batch(batch)
            yield from sink.taken(_CHUNK)
    yield from sink.taken(0)


def parquet_stream(gathering: Gathering, progress: Progress | None = None) -> Iterator[bytes]:
    """The export as one Parquet file, in chunks."""
    made = LongBatches(gathering)
    sink = _Sink()
    with _ParquetWriter(sink, made.schema) as writer:
        for batch in _batches(made, gathering, progress):
            writer.add(batch)
            yield from sink.taken(_CHUNK)
    yield from sink.taken(0)


def write_arrow(gathering: Gathering, place: Path, progress: Progress | None = None) -> int:
    """Write an Arrow IPC stream to a file, whole or not at all; returns the values."""
    made = LongBatches(gathering)
    values = 0
    with whole_file(place) as file, pa.ipc.new_stream(file, made.schema, options=_PACKED) as writer:
        for batch in _batches(made, gathering, progress):
            writer.write_batch(batch)
            values += batch.num_rows
    return values


def write_parquet(gathering: Gathering, place: Path, progress: Progress | None = None) -> int:
    """Write one Parquet file, whole or not at all; returns the values."""
    made = LongBatches(gathering)
    with whole_file(place) as file, _ParquetWriter(file, made.schema) as writer:
        for batch in _batches(made, gathering, progress):
            writer.add(batch)
    return writer.values


def write_days(
    gathering: Gathering, folder: Path, about: str, progress: Progress | None = None
) -> int:
    """Write Parquet by whole UTC days into a folder; returns the values.

    Days at the ends of the selection are taken whole. `about` names what is exported, such as the
    group: `UsageError` when the folder holds something else.
    """
    gathering.widen()
    made = LongBatches(gathering)
    claim_folder(folder, json.dumps([about, made.schema.names]))
    values, left = 0, gathering.portions(by_day=True)
    total = len(left)
    while left:
        day = left[0].first_day
        todo = [one for one in left if one.first_day == day]
        left = left[len(todo) :]
        place = folder / f"day={_EPOCH + timedelta(days=day)}" / FILE
        values += _write_day(made, todo, place)
        if progress is not None:
            progress(total - len(left), total)
    return values


def _write_day(made: LongBatches, todo: list[Any], place: Path) -> int:
    batches = (batch for portion in todo for batch in made.batches(portion))
    first = next(batches, None)
    if first is None:
        place.unlink(missing_ok=True)  # what was there is not there any more: erased, for one
        return 0
    with whole_file(place) as file, _ParquetWriter(file, made.schema) as writer:
        writer.add(first)
        for batch in batches:
            writer.add(batch)
    return writer.values


def _batches(
    made: LongBatches, gathering: Gathering, progress: Progress | None
) -> Iterator[Any]:  # fmt: skip
    todo = gathering.portions()
    for done, portion in enumerate(todo, 1):
        yield from made.batches(portion)
        if progress is not None:
            progress(done, len(todo))


class _ParquetWriter:
    """Gathers batches to row groups of a million values; names as dictionaries, times as deltas."""

    def __init__(self, file: IO[bytes] | _Sink, schema: Any) -> None:
        names = schema.names
        self._writer = parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[name for name in names if name not in _RISING],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in _RISING if name in names},
            version="2.6",
        )
        self._schema = schema
        self._waiting: list[Any] = []
        self._rows = 0
        self.values = 0

    def __enter__(self) -> _ParquetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, batch: Any) -> None:
        """The next rows."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self.values += batch.num_rows
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            whole = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(whole, row_group_size=self._rows)
        self._waiting, self._rows = [], 0


class _Sink(io.RawIOBase):
    """Where a writer puts octets that somebody else sends on."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, octets: Any) -> int:
        piece = bytes(octets)
        self._pieces.append(piece)
        self._size += len(piece)
        self._at += len(piece)
        return len(piece)

    def taken(self, least: int) -> Iterator[bytes]:
        """What has come together, when it is more than `least`."""
        if self._size > least:
            chunk = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            yield chunk
