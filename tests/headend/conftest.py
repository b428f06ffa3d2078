from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from ferraris.headend.store.engine import Engine, url_of
from ferraris.headend.store.migrations import migrate

sys.path.insert(0, str(Path(__file__).parent))  # for what the tests of several rooms share

from kept_schema import KeptSchema, url_in
from small_disk import NoDiskError, small_cluster, small_file

POSTGRESQL = os.environ.get("FERRARIS_POSTGRESQL", "postgresql://root@127.0.0.1/test")


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a PostgreSQL server where a schema can be made, or a skip."""
    engine = create_engine(url_of(POSTGRESQL), connect_args={"connect_timeout": 2})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError as error:
        pytest.skip(f"no PostgreSQL at {engine.url}: {error}")
    yield engine
    engine.dispose()


@pytest.fixture
def postgresql_schema(postgresql):
    """Makes database URLs with an empty schema of their own."""

    @contextlib.contextmanager
    def made():
        schema = f"ferraris_{uuid.uuid4().hex}"
        with postgresql.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
        yield url_in(POSTGRESQL, schema)
        with postgresql.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))

    return made


@pytest.fixture(scope="session")
def postgresql_kept(postgresql):
    """A schema with all tables, for one test after the other."""
    kept = KeptSchema(postgresql, POSTGRESQL)
    yield kept
    kept.drop()


@pytest.fixture
def postgresql_location(request):
    """A database URL with an empty schema of its own; with all tables where `engine` makes them."""
    if "engine" in request.fixturenames:
        kept = request.getfixturevalue("postgresql_kept")
        yield kept.location()
        kept.clean()
        return
    with request.getfixturevalue("postgresql_schema")() as location:
        yield location


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def location(request, tmp_path):
    """Where a store can be: a new file, and an empty schema; the same tests for both."""
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite")
    return request.getfixturevalue("postgresql_location")


@pytest.fixture
def engine(request, location):
    """An open database with all tables, in both back ends."""
    if "://" not in location:
        shutil.copy(request.getfixturevalue("empty_file"), location)
    opened = Engine(location)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def colony(engine, tmp_path):
    """Meters on loopback, an inventory that knows them, and a key store with shipment keys."""
    from colony import Colony

    made = Colony(engine, tmp_path / "keys.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory):
    """A SQLite store without rows, to be copied: that is quicker than making one."""
    path = tmp_path_factory.mktemp("empty") / "store.sqlite"
    opened = Engine(str(path))
    migrate(opened)
    opened.close()
    return path


@pytest.fixture
def sqlite_engine(empty_file, tmp_path):
    """An open database in SQLite, for what does not depend on the back end."""
    shutil.copy(empty_file, tmp_path / "store.sqlite")
    opened = Engine(str(tmp_path / "store.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def small_sqlite():
    """Where an SQLite store has little room."""
    with small_file() as found:
        yield found


@pytest.fixture(scope="session")
def small_server():
    """A PostgreSQL with little room."""
    try:
        with small_cluster() as cluster:
            yield cluster
    except NoDiskError as error:
        pytest.skip(f"no PostgreSQL on a small disk: {error}")


@pytest.fixture
def small_postgresql(small_server):
    """An empty database of it."""
    small_server.empty()
    yield small_server
    small_server.free()
