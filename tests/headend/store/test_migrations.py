"""Migrations give exactly the declared schema, on both back ends, and touch nothing else."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import head, migrate, revision_of
from ferraris.headend.store.migrations.migrating import VERSION_TABLE
from ferraris.headend.store.partitions import PARTITIONED
from ferraris.headend.store.records import StoreError
from ferraris.headend.store.tables import METADATA

from .first_migration import FILE
from .first_migration import text as written


def ours(thing, name, kind, reflected, compare_to):
    """What the schema declares: neither the months of PostgreSQL nor Alembic's own table."""
    months = any(name.startswith(f"{table}_") for table in PARTITIONED) if name else False
    return not (kind == "table" and reflected and (months or name == VERSION_TABLE))


def test_migrations_make_what_is_declared(engine):
    with engine.transaction() as connection:
        # In SQLite Alembic takes an empty text as default for another one; the next test does not.
        compared = {"compare_type": True, "compare_server_default": engine.is_postgresql}
        options = {"include_object": ours, **compared}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
        assert revision_of(connection) == head()


def test_in_sqlite_they_make_it_to_the_letter(tmp_path):
    found = []
    for make in (migrate, lambda engine: METADATA.create_all(engine.sqlalchemy)):
        engine = Engine(tmp_path / str(len(found)))
        make(engine)
        with engine.reading() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_schema")).all()
        lines = {name: sorted(line.strip(" ,\t") for line in (sql or "").split("\n"))
                 for name, sql in rows}  # fmt: skip
        found.append(lines)
        engine.close()
    assert {name for name in found[0] if VERSION_TABLE not in name} == set(found[1])
    assert {name: found[0][name] for name in found[1]} == found[1]


def test_the_first_migration_is_the_one_written_from_the_tables():
    assert FILE.read_text() == written(), "run tests/headend/store/first_migration.py"


def test_again_changes_nothing(engine):
    assert migrate(engine) == head()


def test_several_processes_may_start_at_once(location):
    engines = [Engine(location) for _ in range(4)]
    found, wrong = [], []

    def start(engine):
        try:
            found.append(migrate(engine))
        except StoreError as error:
            wrong.append(error)

    threads = [threading.Thread(target=start, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.close()
    assert (found, wrong) == ([head()] * 4, [])


def test_a_newer_store_is_refused(engine):
    with engine.transaction() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer"):
        migrate(engine)


def test_a_database_with_something_else_is_left_alone(location):
    engine = Engine(location)
    with engine.transaction() as connection:
        connection.execute(text("CREATE TABLE foreigner (x INTEGER)"))
    with pytest.raises(StoreError, match="something else"):
        migrate(engine)
    with engine.reading() as connection:
        assert inspect(connection).get_table_names() == ["foreigner"]
    engine.close()


def test_a_store_of_the_unpublished_format_is_named(tmp_path):
    plain = sqlite3.connect(tmp_path / "old")
    plain.execute("CREATE TABLE store_version (version INTEGER NOT NULL)")
    plain.close()
    engine = Engine(tmp_path / "old")
    with pytest.raises(StoreError, match="unpublished format"):
        migrate(engine)
    engine.close()


def test_a_migration_that_breaks_off_leaves_nothing(location, monkeypatch):
    engine = Engine(location)
    with monkeypatch.context() as patch:
        patch.setattr("alembic.operations.base.Operations.create_index", None)
        with pytest.raises(TypeError):
            migrate(engine)
    with engine.reading() as connection:
        assert inspect(connection).get_table_names() == []
    assert migrate(engine) == head()
    engine.close()
