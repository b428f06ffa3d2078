"""Profile rows: nanoseconds a row to tuples and to columns, our functions alone.

Rows are structure{octet-string(12), unsigned, 4 x double-long-unsigned}, 38 octets each; the
"null clock" kind sends the clock with every 96th row only. Least of five runs, processor time.
Run: python bench/rows.py
"""

from __future__ import annotations

import gc
import platform
import struct
import time
from collections.abc import Callable
from functools import partial

from ferraris.data import axdr, columnar, layout
from ferraris.data.date_time import DateTime, epoch
from ferraris.data.readings import Channel, Series

ROW_OCTETS = 38
COUNTS = (96, 1_000, 10_000, 100_000)


def profile(count: int, *, null_clock: bool = False) -> bytes:
    """An encoded buffer of `count` quarter hours."""
    out = bytearray(b"\x01" + axdr.length_octets(count))
    for row in range(count):
        out += b"\x02\x06"
        if null_clock and row % 96:
            out += b"\x00"
        else:
            out += b"\x09\x0c" + DateTime.from_epoch(1_700_000_000 // 900 * 900 + 900 * row)
        out += b"\x11\x00"
        out += b"".join(b"\x06" + struct.pack(">I", 7 * row + n) for n in range(4))
    return bytes(out)


def cost(work: Callable[[], object], rows: int) -> float:
    """Nanoseconds a row, the least of five runs of at least 20,000 rows each."""
    times = []
    loops = max(1, 20_000 // rows)
    for _ in range(5):
        gc.collect()
        start = time.process_time_ns()
        for _ in range(loops):
            work()
        times.append((time.process_time_ns() - start) / loops / rows)
    return min(times)


def numpy_columns() -> Callable[[bytes], object] | None:
    """Columns with NumPy, None without it."""
    try:
        from ferraris.data import columns
    except ImportError:
        return None
    return columns.columns


def series(octets: bytes) -> Series:
    """Decoded and turned around, as a head-end does it."""
    channels = [Channel(f"channel {n}") for n in range(4)]
    return Series.from_rows(layout.rows(octets), channels, status=1)


def clocks(octets: bytes) -> list[int | None]:
    """The time axis alone, with the cache of raw date-times warm."""
    return [epoch(stamp) for stamp in columnar.columns(octets)[0]]


def main() -> None:
    """Measure and print one line for each work and kind."""
    works: dict[str, Callable[[bytes], object]] = {
        "layout.rows": layout.rows,
        "columnar.columns": columnar.columns,
        "epoch of clocks": clocks,
        "Series.from_rows": series,
        "axdr.decode": axdr.decode,
        "axdr.skip": axdr.skip,
    }
    fast = numpy_columns()
    if fast is not None:
        works["columns.columns"] = fast
    print(f"ns per row, {platform.python_implementation()} {platform.python_version()}")
    print(f"{'':34}" + "".join(f"{count:>10,}" for count in COUNTS))
    for null_clock in (False, True):
        buffers = {count: profile(count, null_clock=null_clock) for count in COUNTS}
        for name, work in works.items():
            figures = [cost(partial(work, buffer), n) for n, buffer in buffers.items()]
            label = name + (", null clock" if null_clock else "")
            print(f"{label:34}" + "".join(f"{figure:10.1f}" for figure in figures))


if __name__ == "__main__":
    main()
