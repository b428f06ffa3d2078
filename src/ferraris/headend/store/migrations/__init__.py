"""How the schema gets from one release to the next; run by the program itself, at its start."""

from __future__ import annotations

from ferraris.headend.store.migrations.migrating import head, is_known, migrate, revision_of

__all__ = ["head", "is_known", "migrate", "revision_of"]
