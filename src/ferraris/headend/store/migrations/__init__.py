"""How the schema gets from one release to the next; run by the program itself, at its start."""

from __future__ import annotations

from ferraris.headend.store.migrations.migrating import head, migrate, revision_of

__all__ = ["head", "migrate", "revision_of"]
