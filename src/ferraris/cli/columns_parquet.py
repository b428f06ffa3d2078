"""A profile as a Parquet file; needs the `data` extra."""

from __future__ import annotations

from pathlib import Path

from pyarrow import parquet

from ferraris.data.readings import Series

__all__ = ["write_parquet"]


def write_parquet(series: Series, file: Path) -> None:
    """Write the series as `Series.to_arrow` gives it; `OSError` when the file cannot be written."""
    parquet.write_table(series.to_arrow(), file)
