from __future__ import annotations

import os
import shutil
import uuid

import pytest
from sqlalchemy import text

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate

POSTGRESQL = os.environ.get("FERRARIS_POSTGRESQL", "postgresql://root@127.0.0.1/test")


@pytest.fixture(scope="session")
def shared_postgresql(postgresql):
    """One schema for all tests of this room: each has a tenant of its own in it."""
    schema = f"ferraris_{uuid.uuid4().hex}"
    with postgresql.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    opened = Engine(f"{POSTGRESQL}?options=-csearch_path%3D{schema}%20-csynchronous_commit%3Doff")
    migrate(opened)
    yield opened
    opened.close()
    with postgresql.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """The file of an empty store."""
    file = tmp_path_factory.mktemp("empty") / "store.sqlite"
    opened = Engine(file)
    migrate(opened)
    opened.close()
    return file


@pytest.fixture
def embedded(empty_store, tmp_path):
    """A new SQLite store, for what does not depend on the back end."""
    opened = Engine(shutil.copy(empty_store, tmp_path / "store.sqlite"))
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def engine(request):
    """An open database with all tables, in both back ends."""
    name = "embedded" if request.param == "sqlite" else "shared_postgresql"
    return request.getfixturevalue(name)
