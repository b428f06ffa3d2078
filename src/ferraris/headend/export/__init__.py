"""Columns out of the archive: Arrow, pandas, Parquet by day, CSV; exact, in bounded memory.

The forms that need pyarrow or pandas (the `data` extra) live in `columns_*`; CSV needs neither.
"""

from __future__ import annotations

from ferraris.headend.export.gathering import Gathering
from ferraris.headend.export.selection import Choice, Progress, Selection

__all__ = ["Choice", "Gathering", "Progress", "Selection"]
