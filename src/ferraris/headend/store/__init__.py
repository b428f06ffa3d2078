"""What the head-end knows and has read, in SQLite or PostgreSQL: packed blocks in versions."""

from __future__ import annotations

from ferraris.headend.store.archive import Archive
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.opening import Store
from ferraris.headend.store.records import (
    BlockVersion,
    Brought,
    ChannelKey,
    StoreAwayError,
    StoreConflictError,
    Stored,
    StoreError,
    StoreFullError,
    StoreSummary,
)

__all__ = [
    "Archive",
    "BlockVersion",
    "Brought",
    "ChannelKey",
    "Engine",
    "Store",
    "StoreAwayError",
    "StoreConflictError",
    "StoreError",
    "StoreFullError",
    "StoreSummary",
    "Stored",
]
