"""What humans decide stays, and shows where the meter says something else."""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

import pytest
from sqlalchemy import select

from ferraris.core.errors import UsageError
from ferraris.headend.store.sealing import NoSealer
from ferraris.headend.store.tables.readings import CHANNEL, PROFILE
from ferraris.headend.vee import Finding, Made, Quality
from ferraris.headend.vee.decisions import About, DecisionKind, decide, decisions_about
from ferraris.headend.vee.local_days import DAY_S

from .world import DAY, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
SET, ACCEPT, RULES = DecisionKind.SET, DecisionKind.ACCEPT, DecisionKind.RULES


def decided(world, kind, values, *, by="anna", reason="looked at the meter"):
    with world.engine.transaction() as connection:
        profile = connection.execute(select(PROFILE.c.id)).scalar_one()
        channel = connection.execute(select(CHANNEL.c.id)).scalar_one()
        about = About(world.tenant, world.meters[0], profile, channel)
        return decide(
            connection, NoSealer(), about, kind, values, by=by, reason=reason, at_s=world.now
        )  # fmt: skip


def at(place):
    return START + (place + 1) * 900


def place_of(world, place):
    _, columns = world.finals()[IMPORT, DAY]
    named = (columns.final, columns.quality, columns.rule, columns.findings, columns.version)
    return tuple(int(column[0, place]) for column in named)


HOLE = range(40, 44)


@pytest.fixture
def world(make_world):
    return with_a_hole(make_world())


def with_a_hole(world):
    rows = rows_of(START - 900, END)
    world.put([row for row in rows if row[0] not in {at(place) for place in HOLE}])
    world.run()
    return world


def late(world):
    world.put([row for row in rows_of(START, END) if row[0] in {at(place) for place in HOLE}])
    world.run()


def test_a_value_that_is_set_stays_and_the_estimates_make_room(engine):
    world = with_a_hole(World(engine))
    whole = sum(world.values())
    decided(world, SET, [(at(41), 7)])
    world.run()
    assert place_of(world, 41) == (7, Quality.EDITED, Made.HUMAN, Finding.GAP, 2)
    assert sum(world.values()) == whole
    assert world.run().finals == 0
    late(world)
    final, quality, rule, findings, version = place_of(world, 41)
    assert (final, quality, rule, version) == (7, Quality.EDITED, Made.HUMAN, 3)
    assert findings & Finding.CONTRADICTED
    assert world.values()[40] == counted(at(40)) - counted(at(39))


def test_no_contradiction_where_the_meter_agrees(world):
    said = counted(at(41)) - counted(at(40))
    decided(world, SET, [(at(41), said)])
    world.run()
    late(world)
    assert not place_of(world, 41)[3] & Finding.CONTRADICTED


def test_a_value_given_back_is_the_rules_again(world):
    before = world.values()
    decided(world, SET, [(at(41), 7), (at(42), 8)])
    world.run()
    decided(world, RULES, [(at(41), None), (at(42), None)], reason="it was the neighbour's")
    world.run()
    assert world.values() == before
    with world.engine.reading() as connection:
        found = [one for _, one in decisions_about(connection, world.meters[0])]
    assert [(one.kind, one.version, one.value) for one in found] == [
        ("set", 1, 7), ("set", 1, 8), ("rules", 2, None), ("rules", 2, None),
    ]  # fmt: skip
    assert {one.by for one in found} == {"anna"}


def test_what_came_can_be_accepted_until_it_is_another(make_world):
    world = make_world()
    rows = [(end, value + 9000 * (end > at(60))) for end, value in rows_of(START - 900, END)]
    world.put(rows)
    world.run()
    peak, quality, *_ = place_of(world, 61)
    assert (peak > 9000, quality) == (True, Quality.SUSPECT)
    decided(world, ACCEPT, [(at(61), None)], reason="a sauna")
    world.run()
    assert place_of(world, 61)[:3] == (peak, Quality.EDITED, Made.MEASURED)
    world.put([(at(61), dict(rows)[at(61)] - 50)])
    world.run()
    final, quality, _, findings, _ = place_of(world, 61)
    assert (final, quality) == (peak - 50, Quality.SUSPECT)
    assert findings & Finding.CONTRADICTED


@pytest.mark.parametrize(
    ("kind", "values", "more", "message"),
    [
        (SET, [(at(1), None)], {}, "belongs to `set`"),
        (RULES, [(at(1), 3)], {}, "belongs to `set`"),
        (SET, [(at(1), -1)], {}, "not -1"),
        (SET, [(at(1), 1 << 46)], {}, "0 to"),
        (SET, [(at(1), 1), (at(1), 2)], {}, "each once"),
        (SET, [], {}, "1 to"),
        (SET, [(at(1) + 1, 1)], {}, "no interval"),
        (SET, [(at(1) + 40 * DAY_S, 1)], {}, "no interval"),
        (ACCEPT, [(at(41), None)], {}, "nothing came"),
        (SET, [(at(1), 1)], {"reason": " "}, "why"),
        (SET, [(at(1), 1)], {"by": ""}, "who"),
    ],
)
def test_decisions_that_cannot_be(world, kind, values, more, message):
    with pytest.raises(UsageError, match=message):
        decided(world, kind, values, **more)
    assert world.due() == []
