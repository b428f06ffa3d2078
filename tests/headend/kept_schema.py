"""One schema of PostgreSQL for many tests: emptied in between, as making it anew takes longer."""

from __future__ import annotations

import uuid

from sqlalchemy import text

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import head, migrate, revision_of
from ferraris.headend.store.partitions import PARTITIONED, months_of
from ferraris.headend.store.tables import METADATA

_NUMBERS = """
SELECT setval(oid::regclass, 1, false) FROM pg_class
WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace
"""
_FILLED = " UNION ALL ".join(
    f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in METADATA.tables
)
_TABLES = """
SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()
"""
KEPT_MONTHS = ((2024, 10), (2024, 11))  # those of nearly all tests


def url_in(url, schema):
    """The URL of a schema; tests kill programs, not PostgreSQL, so they need not wait for disks."""
    return f"{url}?options=-csearch_path%3D{schema}%20-csynchronous_commit%3Doff"


class KeptSchema:
    """Made when the first test wants it, and again when a test has spoilt it."""

    def __init__(self, admin, url):
        self._admin = admin
        self._url = url
        self._schema = ""
        self._engine = None

    def location(self):
        """The URL of the schema, with all tables and no rows."""
        if not self._schema:
            self._schema = f"ferraris_{uuid.uuid4().hex}"
            with self._admin.begin() as connection:
                connection.execute(text(f"CREATE SCHEMA {self._schema}"))
            self._engine = Engine(url_in(self._url, self._schema))
            migrate(self._engine)
        return url_in(self._url, self._schema)

    def clean(self):
        """Take away what a test has left."""
        try:
            with self._engine.transaction() as connection:
                whole = revision_of(connection) == head() and self._clean(connection)
        except Exception:
            self.drop()
            raise
        if not whole:
            self.drop()

    def _clean(self, connection):
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        for table in PARTITIONED:
            for year, month in months_of(connection, table):
                if (year, month) not in KEPT_MONTHS:
                    connection.execute(text(f"DROP TABLE {table}_{year:04}_{month:02}"))
        filled = set(connection.execute(text(_FILLED)).scalars())
        for table in reversed(METADATA.sorted_tables):
            if table.name in filled:
                connection.execute(text(f"DELETE FROM {table.name}"))
        connection.execute(text(_NUMBERS)).all()
        found = connection.execute(text(_TABLES)).scalar()
        least = len(METADATA.tables) + len(PARTITIONED) + 1  # their default partitions, Alembic's
        return least <= found <= least + len(KEPT_MONTHS) * len(PARTITIONED)

    def drop(self):
        """Away with it; the next test gets a new one."""
        if self._schema:
            self._engine.close()
            with self._admin.begin() as connection:
                connection.execute(text(f"DROP SCHEMA {self._schema} CASCADE"))
            self._schema = ""
