"""A Series as a pandas frame. Needs the `data` extra."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from ferraris.data import units
from ferraris.data.columns_arrow import table
from ferraris.data.readings import Series

__all__ = ["frame"]

# pandas would make floats of integers with gaps, which are not exact.
_EXACT = {pa.int64(): pd.Int64Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.bool_(): pd.BooleanDtype()}


def frame(series: Series) -> pd.DataFrame:
    """The frame of `Series.to_pandas`.

    `attrs` holds `device`, `profile` and `units`, the symbol of each column's unit.
    """
    arrow = table(series)
    made = arrow.to_pandas(types_mapper=_EXACT.get).set_index("end")
    names = arrow.column_names[-len(series.channels) :] if series.channels else []
    made.attrs = {
        "device": series.device,
        "profile": str(series.profile),
        "units": {
            name: units.unit(channel.unit).symbol
            for name, channel in zip(names, series.channels, strict=True)
        },
    }
    return made
