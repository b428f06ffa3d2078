"""The schema of the embedded store, as numbered migrations that only go forward.

Every table knows its tenant; a meter is a surrogate number. Blocks and register reads are never
changed or deleted by normal work: a correction is a new version.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ferraris.headend.store.records import StoreError

__all__ = ["MIGRATIONS", "migrate", "version_of"]

_FIRST = """
CREATE TABLE tenant (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE meter (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    external_id TEXT NOT NULL,
    system_title BLOB NOT NULL DEFAULT x'',
    zone TEXT NOT NULL DEFAULT 'UTC',
    UNIQUE (tenant, external_id)
) STRICT;
-- Which meter measured for which service point, and when; `since_s` belongs to the meter,
-- `until_s` does not; NULL is open.
CREATE TABLE service_point_meter (
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    service_point TEXT NOT NULL,
    meter INTEGER NOT NULL REFERENCES meter (id),
    since_s INTEGER NOT NULL,
    until_s INTEGER,
    PRIMARY KEY (tenant, service_point, since_s)
) STRICT, WITHOUT ROWID;
CREATE INDEX service_point_of_meter ON service_point_meter (meter, since_s);
-- A channel never changes: another scaler or unit is another channel, with the next version.
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    is_obis INTEGER NOT NULL,
    class_id INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    element INTEGER NOT NULL,
    scaler INTEGER NOT NULL,
    unit INTEGER NOT NULL,
    origin TEXT NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (tenant, name, is_obis, class_id, attribute, element, scaler, unit, origin),
    UNIQUE (tenant, name, is_obis, class_id, attribute, element, version)
) STRICT;
-- The channels of a block or register read, in the order of its columns (a JSON list of ids).
CREATE TABLE layout (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    channels TEXT NOT NULL,
    UNIQUE (tenant, channels)
) STRICT;
CREATE TABLE profile (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    obis TEXT NOT NULL,
    UNIQUE (tenant, obis)
) STRICT;
-- Rows lie in the order of arrival; the index finds them.
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    meter INTEGER NOT NULL REFERENCES meter (id),
    profile INTEGER NOT NULL REFERENCES profile (id),
    day INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout (id),
    version INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    stored_s INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX block_key ON block (meter, profile, day, layout, version);
CREATE TABLE register_read (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    meter INTEGER NOT NULL REFERENCES meter (id),
    day INTEGER NOT NULL,
    read_s INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout (id),
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX register_read_key ON register_read (meter, day, read_s, layout, version);
CREATE TABLE undated (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    meter INTEGER NOT NULL REFERENCES meter (id),
    profile INTEGER NOT NULL REFERENCES profile (id),
    rows INTEGER NOT NULL,
    stored_s INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (meter, profile, digest)
) STRICT;
CREATE TABLE plan (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    profile INTEGER REFERENCES profile (id),
    period_s INTEGER NOT NULL,
    registers TEXT NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE plan_meter (
    tenant INTEGER NOT NULL,
    plan INTEGER NOT NULL REFERENCES plan (id),
    meter INTEGER NOT NULL REFERENCES meter (id),
    since_day INTEGER NOT NULL,
    PRIMARY KEY (plan, meter)
) STRICT, WITHOUT ROWID;
-- A worker's claims hold while it says that it lives; a killed one falls silent.
CREATE TABLE worker (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE,
    alive_until_s REAL NOT NULL
) STRICT;
-- Gaps that somebody works on (claimed), that wait for their next try, or that need a human.
CREATE TABLE claim (
    tenant INTEGER NOT NULL,
    plan INTEGER NOT NULL REFERENCES plan (id),
    meter INTEGER NOT NULL REFERENCES meter (id),
    day INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('claimed', 'waiting', 'held')),
    worker INTEGER,
    tries INTEGER NOT NULL,
    not_before_s REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (plan, meter, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_of_worker ON claim (worker) WHERE worker IS NOT NULL;
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    meter INTEGER NOT NULL REFERENCES meter (id),
    plan INTEGER NOT NULL,
    started_s REAL NOT NULL,
    ended_s REAL NOT NULL,
    outcome TEXT NOT NULL,
    message TEXT NOT NULL,
    intervals INTEGER NOT NULL,
    registers INTEGER NOT NULL
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""Migration n brings version n to n + 1; published ones never change."""


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open database; 0 for an empty one."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store_version'"
    ).fetchone()
    if found is None:
        return 0
    row = connection.execute("SELECT version FROM store_version").fetchone()
    return int(row[0]) if row else 0


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Bring the database to the newest version and return it, each step in one transaction.

    Raises `StoreError` for a database newer than this program, or one that is no store.
    """
    version = version_of(connection)
    if version > len(migrations):
        raise StoreError(
            f"the store has version {version}, newer than the {len(migrations)} of this program"
        )
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        raise StoreError("the database holds something else, not a store")
    while version < len(migrations):
        connection.execute("BEGIN IMMEDIATE")
        try:
            current = version_of(connection)  # another process may have been quicker
            if current == version:
                _apply(connection, migrations[version], version + 1)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        version = max(current, version + 1)
    return version


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    for statement in _statements(script):
        connection.execute(statement)
    if version == 1:
        connection.execute("CREATE TABLE store_version (version INTEGER NOT NULL) STRICT")
        connection.execute("INSERT INTO store_version VALUES (1)")
    else:
        connection.execute("UPDATE store_version SET version = ?", (version,))


def _statements(script: str) -> list[str]:
    """The statements one by one: `executescript` would commit behind our back."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
