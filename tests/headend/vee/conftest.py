"""Worlds for the tests of validation."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest

from ferraris.headend.store.engine import Engine
from ferraris.headend.store.migrations import migrate

from .world import World


@pytest.fixture
def make_world(tmp_path):
    """Makes worlds in embedded stores of their own."""
    opened = []

    def make(**settings):
        engine = Engine(tmp_path / f"store-{len(opened)}.sqlite")
        migrate(engine)
        opened.append(engine)
        return World(engine, **settings)

    yield make
    for engine in opened:
        engine.close()
