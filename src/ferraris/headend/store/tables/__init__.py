"""The schema of the store, declared once: Alembic's migrations and all statements come from it.

Every table knows its tenant; a meter is a surrogate number. Names of columns carry their unit.
"""

from __future__ import annotations

from ferraris.headend.store.tables import access, collecting, inventory, readings, validated
from ferraris.headend.store.tables.base import METADATA

__all__ = ["METADATA", "access", "collecting", "inventory", "readings", "validated"]
