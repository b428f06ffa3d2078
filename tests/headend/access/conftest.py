"""A tenant, a clock that stands still until it is moved, and a journal."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from ferraris.headend.audit import Journal
from ferraris.headend.store.tables.inventory import TENANT


class Clock:
    """Two clocks that are moved by hand."""

    def __init__(self) -> None:
        self.utc_s = 1_700_000_000.0
        self.monotonic_s = 50.0

    def __call__(self) -> float:
        return self.utc_s

    def monotonic(self) -> float:
        return self.monotonic_s

    def go(self, seconds: float) -> None:
        self.utc_s += seconds
        self.monotonic_s += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal():
    return Journal("one")


@pytest.fixture
def tenant(engine):
    with engine.transaction() as connection:
        connection.execute(insert(TENANT), [{"id": 1, "name": "main"}, {"id": 2, "name": "other"}])
    return 1
