from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate

sys.path.insert(0, str(Path(__file__).parents[2] / "line"))  # certificates


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory):
    """A store without anything, made once."""
    place = tmp_path_factory.mktemp("blank") / "store.sqlite"
    engine = Engine(place)
    migrate(engine)
    engine.close()
    return place


@pytest.fixture
def location(request, tmp_path, blank_store):
    """SQLite, unless a test asks for both: what is tested here is the same for both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return str(shutil.copy(blank_store, tmp_path / "store.sqlite"))
    return request.getfixturevalue("postgresql_location")
