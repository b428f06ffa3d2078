"""What the head-end knows and has read: packed blocks in an embedded database."""

from __future__ import annotations

from ferraris.headend.store.gaps import GapList
from ferraris.headend.store.records import (
    ChannelKey,
    Deferred,
    Held,
    MeterEntry,
    Plan,
    Result,
    Stored,
    StoreError,
    StoreSummary,
    Work,
)
from ferraris.headend.store.store import Store

__all__ = [
    "ChannelKey",
    "Deferred",
    "GapList",
    "Held",
    "MeterEntry",
    "Plan",
    "Result",
    "Store",
    "StoreError",
    "StoreSummary",
    "Stored",
    "Work",
]
