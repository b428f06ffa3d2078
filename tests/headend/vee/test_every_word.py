"""Each rule by what it does to readings in the store: from rows to final values, by built-in rules.

A household's import in Wh is judged by the rules for that, volumes and heat by theirs.
"""
# ruff: noqa: TID252 - the tests are no package to import from

from __future__ import annotations

from itertools import pairwise

import pytest

from ferraris.headend.vee import Finding, Made, Quality
from ferraris.headend.vee.local_days import DAY_S
from ferraris.headend.vee.rule_sets import put_rules
from ferraris.headend.vee.rules import RULES

from .world import DAY, IMPORT, World, counted, rows_of

START, END = DAY * DAY_S, (DAY + 1) * DAY_S
AT = 50  # the interval that something is wrong with
SPENT = "1-0:1.29.0*255"
LOW = """
name = "never-idle"
[applies]
channels = ["1-0:1.29.0*255"]
order = 1
[[rules]]
rule = "low"
limit = 10
"""


def spent():
    return [[end, counted(end) - counted(end - 900)] for end, _ in rows_of(START, END)]


def gaps(world):
    world.put([row for row in rows_of(START - 900, END) if row[0] != START + AT * 900])
    return IMPORT


def duplicates(world):
    rows = spent()
    rows.insert(AT, [rows[AT][0], rows[AT][1] + 1])
    world.put(rows, names=(SPENT,))
    return SPENT


def overlap(world):
    rows = spent()
    rows.insert(AT, [rows[AT][0] - 300, 5])
    world.put(rows, names=(SPENT,))
    return SPENT


def status(bit):
    def one(world):
        rows = spent()
        world.put(rows, names=(SPENT,), status=[bit * (n == AT) for n in range(96)])
        return SPENT

    return one


def rollover(world):
    less = (1 << 32) - counted(START + AT * 900) - 1
    world.put([(end, (value + less) % (1 << 32)) for end, value in rows_of(START - 900, END)])
    return IMPORT


def with_value(value):
    def one(world):
        rows = spent()
        rows[AT][1] = value
        world.put(rows, names=(SPENT,))
        return SPENT

    return one


def low(world):
    with world.engine.transaction() as connection:
        put_rules(connection, world.tenant, LOW, by="anna", at_s=world.now)
    return with_value(9)(world)


def zero_run(world):
    world.put([(end, used * (n < 48)) for n, (end, used) in enumerate(spent())], names=(SPENT,))
    return SPENT


def total(world):
    world.put([(at, counted(at)) for at in (START, END)], profile="1-0:98.2.0*255")
    return with_value(counted(END) - counted(END - 900) + 700)(world)


WORDS = {
    "gaps": (gaps, Finding.GAP, Quality.ESTIMATED, None),
    "duplicates": (duplicates, Finding.CONFLICT, Quality.ESTIMATED, Made.INTERPOLATION),
    "overlap": (overlap, Finding.OVERLAP, Quality.SUSPECT, Made.MEASURED),
    "clock": (status(0x20), Finding.CLOCK, Quality.SUSPECT, Made.MEASURED),
    "status": (status(0x04), Finding.STATUS, Quality.ESTIMATED, Made.INTERPOLATION),
    "rollover": (rollover, Finding.ROLLOVER, Quality.VALID, Made.ROLLOVER),
    "negative": (with_value(-5), Finding.NEGATIVE, Quality.ESTIMATED, Made.INTERPOLATION),
    "high": (with_value(15_001), Finding.HIGH, Quality.ESTIMATED, Made.INTERPOLATION),
    "low": (low, Finding.LOW, Quality.SUSPECT, Made.MEASURED),
    "spike": (with_value(9_000), Finding.SPIKE, Quality.SUSPECT, Made.MEASURED),
    "zero_run": (zero_run, Finding.ZERO_RUN, Quality.SUSPECT, Made.MEASURED),
    "sum": (total, Finding.SUM, Quality.SUSPECT, Made.MEASURED),
}


def test_each_rule_is_here():
    assert set(WORDS) == set(RULES)


@pytest.mark.parametrize("word", WORDS)
def test_from_rows_to_final_values(make_world, word):
    make, finding, quality, rule = WORDS[word]
    world = make_world()
    name = make(world)
    world.run()
    _, columns = world.finals()[name, DAY]
    at = AT - 1 if word == "gaps" else AT
    assert columns.findings[0, at] & finding
    assert columns.quality[0, at] == quality
    assert rule is None or columns.rule[0, at] == rule
    others = [n for n in range(96) if abs(n - at) > 1]
    if word not in {"zero_run", "sum"}:  # the only ones that look at more than one interval
        assert set(columns.quality[0, others]) == {Quality.VALID}
    used = [after - before for before, after in pairwise([v for _, v in rows_of(START - 900, END)])]
    if name == IMPORT:
        assert world.values() == pytest.approx(used, abs=60)
        assert sum(world.values()) == sum(used)


@pytest.mark.parametrize(
    ("name", "unit", "scaler", "most"),
    [
        ("1-0:1.8.0*255", 30, 0, 60_000),  # Wh: four quarters of an hour
        ("1-0:1.8.0*255", 30, 3, 60),  # kWh
        ("1-0:2.8.0*255", 30, 0, 60_000),
        ("1-0:4.8.0*255", 32, 0, 60_000),  # varh
        ("7-0:3.0.0*255", 13, 0, 40),  # m3
        ("7-0:3.0.0*255", 13, -2, 4_000),
        ("0-1:24.2.1*255", 13, -3, 40_000),
        ("6-0:1.0.0*255", 30, 3, 60),
        ("0-2:24.2.1*255", 30, 0, 60_000),
    ],
)
def test_what_is_too_much_depends_on_the_unit(make_world, name, unit, scaler, most):
    """An hour at the limit is believed, one above it is not, whatever it counts in."""
    world = make_world()
    profile = "7-0:99.1.0*255" if name[0] == "7" else "1-0:99.1.0*255"
    begin = START + (6 * 3600 if name[0] == "7" else 0)
    value, rows = 10_000, []
    for hour in range(25):
        rows.append((begin + hour * 3600, value))
        value += {5: most, 15: most + 1}.get(hour, 1)
    world.put(rows, names=(name,), unit=unit, scaler=scaler, profile=profile)
    world.run()
    _, columns = world.finals()[name, DAY]
    assert [n for n in range(24) if columns.findings[0, n] & Finding.HIGH] == [15]
    assert columns.quality[0, 15] == Quality.ESTIMATED


@pytest.mark.parametrize(("name", "unit"), [("6-0:10.0.0*255", 9), ("6-0:12.0.0*255", 52)])
def test_a_temperature_has_no_final_values(make_world, name, unit):
    """Degrees and kelvins are no counters: nothing is made of their differences."""
    world = make_world()
    world.put(rows_of(START - 900, END), names=(name,), unit=unit)
    world.run()
    assert world.finals() == {}


@pytest.mark.parametrize("modulus", [1 << 32, 100_000_000])
def test_a_counter_begins_again_while_nobody_hears_it(make_world, modulus):
    """Over a gap, over lost days, and in a register that was read at midnight by itself."""
    name, unit = (IMPORT, 30) if modulus == 1 << 32 else ("7-0:3.0.0*255", 13)
    used = [(end, (end - START) // 3600 * 3) for end in range(START - 3600, END + 3 * DAY_S, 3600)]
    gone = END - 5 * 3600, END + DAY_S + 7 * 3600
    less = modulus - (END - START) // 3600 * 3
    world = make_world()
    rows = [(end, (value + less) % modulus) for end, value in used]
    world.put(
        [row for row in rows if not gone[0] < row[0] < gone[1]],
        names=(name,), unit=unit, profile="1-0:99.1.0*255",
    )  # fmt: skip
    world.run()
    whole = [world.values(DAY + n, name) for n in range(3)]
    assert [sum(day) for day in whole] == [72, 72, 72]
    assert {value for day in whole for value in day} == {3}


def test_a_profile_of_intervals_is_proved_by_a_counter_that_begins_again(engine):
    world = World(engine)
    world.put(spent(), names=(SPENT,))
    less = (1 << 32) - counted(START + AT * 900)
    for at in (START, END):
        world.read({IMPORT: (counted(at) + less) % (1 << 32)}, at)
    world.run()
    row, columns = world.finals()[SPENT, DAY]
    assert not row.findings & Finding.SUM
    assert set(columns.quality[0]) == {Quality.VALID}
    world.read({IMPORT: (counted(END) + less) % (1 << 32) + 9}, END)
    world.run()
    assert world.finals()[SPENT, DAY][0].findings & Finding.SUM
