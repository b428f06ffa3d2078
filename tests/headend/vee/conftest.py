"""Worlds for the tests of validation."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate

from .world import World


@pytest.fixture
def make_engine(tmp_path):
    """Makes embedded stores."""
    opened = []

    def make():
        engine = Engine(tmp_path / f"store-{len(opened)}.sqlite")
        migrate(engine)
        opened.append(engine)
        return engine

    yield make
    for engine in opened:
        engine.close()


@pytest.fixture
def make_world(make_engine):
    """Makes worlds in embedded stores of their own."""
    return lambda **settings: World(make_engine(), **settings)
