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
from ferraris.headend.vee.rule_sets import put_rules, withdraw

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


OURS = """
name = "ours"
[applies]
channels = ["1-0:1.8.0*255"]
order = 1
[estimation]
methods = ["similar_days"]
[[rules]]
rule = "gaps"
[[rules]]
rule = "high"
limit = 1
"""


def test_what_was_decided_stays_whatever_comes_later(engine):
    """Other rules, the days before and after it, late rows: nothing overrules it."""
    world = with_a_hole(World(engine))
    decided(world, SET, [(at(41), 7), (at(5), 3)])
    world.run()

    def stays():
        world.run()
        for place, value in ((41, 7), (5, 3)):
            assert place_of(world, place)[:3] == (value, Quality.EDITED, Made.HUMAN)

    stays()
    world.put(rows_of(END, END + DAY_S))
    stays()
    world.put(rows_of(START - 8 * DAY_S, START - 900))
    stays()
    with world.engine.transaction() as connection:
        put_rules(connection, world.tenant, OURS, by="anna", at_s=world.now, back_log_days=200)
    assert world.due()
    stays()
    assert place_of(world, 60)[1] == Quality.MISSING  # no other value is believed any more
    with world.engine.transaction() as connection:
        withdraw(connection, world.tenant, "ours", by="anna", at_s=world.now, back_log_days=200)
    stays()
    late(world)
    assert [bool(place_of(world, n)[3] & Finding.CONTRADICTED) for n in (41, 5)] == [True, False]
    stays()


def test_what_was_decided_about_a_lost_day_stays_when_it_comes(engine):
    """A day of three that nobody knew, and what a register between them then tells."""
    world = World(engine)
    gone = START - DAY_S + 3600, END + DAY_S - 3600
    rows = rows_of(START - 2 * DAY_S, END + 2 * DAY_S)
    world.put([row for row in rows if not gone[0] < row[0] < gone[1]])
    world.run()
    decided(world, SET, [(at(20), 1000)])
    world.run()
    _, before = world.finals()[IMPORT, DAY]
    assert before.final[0, 20] == 1000
    world.read({IMPORT: counted(START)}, START)
    world.run()
    world.read({IMPORT: counted(END)}, END)
    world.run()
    _, columns = world.finals()[IMPORT, DAY]
    assert (columns.final[0, 20], columns.quality[0, 20]) == (1000, Quality.EDITED)
    assert columns.final.sum() == counted(END) - counted(START)
    world.put([row for row in rows if gone[0] < row[0] < gone[1]])
    world.run()
    _, columns = world.finals()[IMPORT, DAY]
    assert (columns.final[0, 20], columns.quality[0, 20]) == (1000, Quality.EDITED)
    assert columns.findings[0, 20] & Finding.CONTRADICTED
    assert columns.final[0, 21] == counted(at(21)) - counted(at(20))


def test_what_was_decided_serves_later_days_as_a_similar_one(make_world):
    world = make_world()
    week = 7 * DAY_S
    guess = START + week + 8 * 3600, START + week + 20 * 3600
    world.put([row for row in rows_of(START - 900, END + week) if not guess[0] < row[0] < guess[1]])
    world.run()
    guessed = world.values(DAY + 7)
    decided(world, SET, [(at(41), 4000)])
    assert world.run().marked == 1
    assert world.values(DAY + 7)[41] > 10 * guessed[41]
    assert sum(world.values(DAY + 7)) == sum(guessed)
