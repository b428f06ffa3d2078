"""Whoever watches hears of the meters that are theirs, and of others nothing but that there is."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from ferraris.headend.access.rights import Right
from ferraris.headend.inventory import NewMeter, enrol
from ferraris.headend.inventory.tenants import tenant_number
from ferraris.headend.operations import Caller
from ferraris.headend.operations.watching import for_caller
from ferraris.headend.store.changes import Change
from ferraris.headend.store.tables.inventory import METER

CHANGES = [
    Change(1, "session", "mine", {"outcome": "done"}, 1.0),
    Change(2, "session", "yours", {"outcome": "line"}, 1.0),
    Change(3, "session", "", {"outcomes": {"done": 9}}, 1.0),
    Change(4, "command", "17", {"meter": "mine", "state": "done"}, 1.0),
    Change(5, "command", "18", {"meter": "yours", "state": "done"}, 1.0),
    Change(6, "vee", "mine", {}, 1.0),
    Change(7, "audit", "show_meter", {}, 1.0),
]


@pytest.fixture
def tenant(engine):
    with engine.transaction() as connection:
        number = tenant_number(connection, "main", make=True)
        new = [NewMeter(external_id=name) for name in ("mine", "yours")]
        enrol(connection, number, new, at_s=0.0, by="test")
    return number


def numbers(engine, tenant, rights):
    with engine.reading() as connection:
        found = for_caller(connection, Caller("somebody", tenant, rights), CHANGES)
    return {change.number: dict(change.detail) for change in found}


def test_a_right_for_a_group_shows_its_meters_alone(engine, tenant):
    mine = select(METER.c.id).where(METER.c.external_id == "mine")
    assert numbers(engine, tenant, {Right.SEE_METERS: mine}) == {
        1: {"outcome": "done"},
        3: {},  # something is new; of whom and how many is not told
        4: {"meter": "mine", "state": "done"},
    }


def test_a_right_for_all_shows_all_of_its_kinds(engine, tenant):
    assert set(numbers(engine, tenant, {Right.SEE_METERS: None})) == {1, 2, 3, 4, 5}
    assert set(numbers(engine, tenant, {Right.SEE_READINGS: None, Right.SEE_AUDIT: None})) == {6, 7}
